"""One measurement of a model: what was measured, with what, and what became of it."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models


class BenchmarkState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Measuring"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    INTERRUPTED = "interrupted", "Interrupted"


ACTIVE_STATES = (BenchmarkState.QUEUED, BenchmarkState.RUNNING)


class BenchmarkQuerySet(models.QuerySet["Benchmark"]):
    def active(self) -> Self:
        return self.filter(state__in=ACTIVE_STATES)

    def running(self) -> Self:
        return self.filter(state=BenchmarkState.RUNNING)

    def done(self) -> Self:
        return self.filter(state=BenchmarkState.DONE)


class Benchmark(models.Model):
    """Who measures has the lease; without it nothing of this row is changed, but for what a person wants
    (cancelled). Figures are there once it is done, None where the model has no such thing: one that makes
    embeddings writes no tokens.

    `disturbance`: what else went on meanwhile, so that the figures are too low; "": nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    entry = models.ForeignKey("models_app.CatalogEntry", models.CASCADE, related_name="benchmarks")
    state = models.CharField(
        max_length=12, choices=BenchmarkState.choices, default=BenchmarkState.QUEUED
    )
    reason = models.CharField(max_length=500, blank=True, help_text="why it is not done")
    step = models.CharField(max_length=100, blank=True, help_text="what it is at")
    fraction = models.FloatField(default=0.0)
    lease_owner = models.CharField(max_length=48, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    engine = models.CharField(max_length=100, blank=True)
    device = models.CharField(max_length=200, blank=True)
    placement = models.CharField(max_length=40, blank=True, help_text="GPU 33/33, CPU")
    fallback = models.TextField(blank=True)
    settings = models.JSONField(default=dict, blank=True, help_text="name and value, all flat")
    disturbance = models.CharField(max_length=500, blank=True)

    load_seconds = models.FloatField(null=True, blank=True)
    first_token_seconds = models.FloatField(null=True, blank=True, help_text="of a short prompt")
    num_generated = models.PositiveIntegerField(default=0)
    tokens_per_second = models.FloatField(null=True, blank=True, help_text="of one answer")
    memory = models.BigIntegerField(default=0, help_text="resident bytes of its process")

    objects = BenchmarkQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=["entry"],
                condition=models.Q(state__in=ACTIVE_STATES),
                name="one_benchmark_of_a_model",
            ),
        )

    def __str__(self) -> str:
        return f"{self.entry} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES

    @property
    def label(self) -> str:
        return BenchmarkState(self.state).label

    @property
    def percent(self) -> int:
        """100 only when it is done."""
        if self.state == BenchmarkState.DONE:
            return 100
        return min(99, int(self.fraction * 100))


class PromptSpeed(models.Model):
    """How long a prompt of about `target` tokens took, from its arrival to the token after it."""

    benchmark = models.ForeignKey(Benchmark, models.CASCADE, related_name="prompts")
    target = models.PositiveIntegerField()
    num_tokens = models.PositiveIntegerField(help_text="computed, none of them cached")
    seconds = models.FloatField()

    class Meta:
        ordering = ("target",)
        constraints = (
            models.UniqueConstraint(fields=["benchmark", "target"], name="speed_of_a_prompt"),
        )

    def __str__(self) -> str:
        return f"{self.num_tokens} tokens in {self.seconds:.2f} s"

    @property
    def tokens_per_second(self) -> float:
        return self.num_tokens / self.seconds
