"""Where web and worker get their client of the inference service."""

from __future__ import annotations

from django.conf import settings

from inference.client import InferenceClient


def inference_client(*, timeout: float = 5.0) -> InferenceClient:
    """Holds no connection, so each caller may make its own. `timeout`: see InferenceClient."""
    return InferenceClient(settings.INFERENCE_SOCKET, timeout=timeout)
