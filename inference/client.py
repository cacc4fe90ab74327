"""The one door to inference: what web, worker and commands call. Never imports an ML library.

Contract (implemented over a unix socket, see `inference.wire`). Each call opens its own connection,
so a client has no state, needs no closing, and may be used from any task of any process.
Every method raises ServiceUnavailable when nobody answers at `socket_path` within `timeout` seconds
(a restarting service is waited for that long), and the error of the tree the service answered with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from inference.types import GenerationRequest, LoggedEvent, ModelSpec, ServiceStatus


class InferenceClient:
    def __init__(self, socket_path: Path, *, timeout: float = 5.0) -> None:
        self._socket_path = socket_path
        self._timeout = timeout

    async def generate(self, request: GenerationRequest) -> None:
        """Start a generation (once per `generation_id`) and return at once; read it by `attach`."""
        raise NotImplementedError

    def attach(self, generation_id: str, *, after: int = 0) -> AsyncIterator[LoggedEvent]:
        """Every event with a number above `after`, past ones first, ending with the terminal one.

        Raises GenerationNotFound, and ServiceUnavailable when the service dies in between.
        """
        raise NotImplementedError

    async def stop(self, generation_id: str) -> None:
        """End a generation wherever it is; its log ends with Finished(CANCELLED). Idempotent."""
        raise NotImplementedError

    async def forget(self, generation_id: str) -> None:
        """The caller has stored the result: drop the log of an ended generation. Idempotent."""
        raise NotImplementedError

    async def load(self, spec: ModelSpec) -> None:
        """Begin to load (or join a load) and return at once; watch it in `status`."""
        raise NotImplementedError

    async def unload(self, model_id: str) -> None:
        """Take the model out of memory; its running generations end as failed. Idempotent."""
        raise NotImplementedError

    async def status(self) -> ServiceStatus:
        raise NotImplementedError
