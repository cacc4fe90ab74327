"""What is counted for Prometheus. Each web process counts its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "minerva_api_requests",
    "Requests of programs, by endpoint and status.",
    ["endpoint", "status"],
    registry=REGISTRY,
)
TOKENS = Counter(
    "minerva_api_tokens",
    "Tokens of programs' requests, by model and kind.",
    ["model", "kind"],
    registry=REGISTRY,
)
FIRST_TOKEN = Histogram(
    "minerva_api_time_to_first_token_seconds",
    "From the arrival of a request in the inference service to its first token.",
    ["model"],
    registry=REGISTRY,
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
OPEN = Gauge("minerva_api_open_generations", "Generations of programs now.", registry=REGISTRY)
