"""The processes of Minerva in the order of their start: what runs, and when each one is ready."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
import ssl
import sys

from django.db import DatabaseError, connection
from django.utils import timezone

from inference.client import InferenceClient
from inference.errors import InferenceError
from minerva_site.child import Program
from minerva_site.configuration import Configuration
from minerva_site.models import Heartbeat
from minerva_site.tasks import WORKER

PROBE_SECONDS = 2.0


def programs(configuration: Configuration, listener: socket.socket) -> list[Program]:
    is_secure = configuration.serves_https
    return [inference(configuration), worker(), web(listener, is_secure=is_secure)]


def inference(configuration: Configuration) -> Program:
    options = {
        "--socket": configuration.inference_socket,
        "--context-window": configuration.context_window,
        "--max-sequences": configuration.max_sequences,
        "--max-per-user": configuration.max_generations_per_user,
        "--threads": configuration.threads,
        "--gpu-layers": configuration.gpu_layers,
        "--idle-unload-seconds": configuration.idle_unload_seconds,
        "--kv-cache-type": configuration.kv_cache_type,
        "--prompt-cache-mib": configuration.prompt_cache_mib,
        "--memory-record": configuration.memory_record,
        "--mlx-python": configuration.mlx_python,
    }
    arguments = [str(word) for option in options.items() for word in option]
    if not configuration.share_system_prompts:
        arguments.append("--private-system-prompts")
    if not configuration.speculation:
        arguments.append("--no-speculation")
    if configuration.draft_model is not None:
        arguments.extend(["--draft-model", str(configuration.draft_model)])
    client = InferenceClient(configuration.inference_socket, timeout=PROBE_SECONDS)

    def is_ready() -> bool:
        try:
            asyncio.run(client.status())
        except InferenceError:
            return False
        return True

    return Program("inference", [sys.executable, "-m", "inference", *arguments], is_ready)


def worker() -> Program:
    """SIGINT lets a job that is running come to its end; SIGTERM would break it off."""
    started_at = timezone.now()

    def is_ready() -> bool:
        try:
            return Heartbeat.objects.filter(name=WORKER, beat_at__gte=started_at).exists()
        except DatabaseError:
            return False
        finally:
            connection.close()

    return Program(
        "worker",
        [sys.executable, "manage.py", "worker"],
        is_ready,
        stop_signal=signal.SIGINT,
        stop_seconds=2.5,
    )


def web(listener: socket.socket, *, is_secure: bool) -> Program:
    host, port = reachable_address(listener)

    def is_ready() -> bool:
        probe = _probe(host, port, is_secure=is_secure)
        try:
            probe.request("GET", "/healthz")
            return probe.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            probe.close()

    descriptor = listener.fileno()
    return Program(
        "web",
        [sys.executable, "-m", "minerva_site.web", "--fd", str(descriptor)],
        is_ready,
        stop_seconds=4.0,
        descriptors=(descriptor,),
    )


def _probe(host: str, port: int, *, is_secure: bool) -> http.client.HTTPConnection:
    """We ask our own process on this machine, so its certificate need not convince us."""
    if not is_secure:
        return http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    context = ssl._create_unverified_context()  # noqa: S323
    return http.client.HTTPSConnection(host, port, timeout=PROBE_SECONDS, context=context)


def reachable_address(listener: socket.socket) -> tuple[str, int]:
    """Where this machine itself reaches what listens there."""
    host, port = listener.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104
