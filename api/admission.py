"""The one place where a program's generation is let in, and where what it took is known at its end."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from api import metrics, rates
from api.callers import Caller
from inference.types import Timings, Usage
from models_app.models import CatalogEntry

logger = logging.getLogger(__name__)


@dataclass
class Admission:
    """`ended` is to be called once for each generation, whatever became of it."""

    caller: Caller
    entry: CatalogEntry
    request_id: str

    def ended(self, *, generation_id: str, usage: Usage | None, timings: Timings | None) -> None:
        """`usage` None: nothing was computed, or nobody knows. In the event loop, so nothing here waits."""
        used = usage or Usage(prompt_tokens=0, completion_tokens=0)
        model = self.entry.name
        metrics.TOKENS.labels(model, "prompt").inc(used.prompt_tokens)
        metrics.TOKENS.labels(model, "cached").inc(used.cached_tokens)
        metrics.TOKENS.labels(model, "completion").inc(used.completion_tokens)
        if timings and timings.time_to_first_token is not None:
            metrics.FIRST_TOKEN.labels(model).observe(timings.time_to_first_token)
        logger.info(
            "generation=%s request=%s user=%s prompt_tokens=%d completion_tokens=%d",
            *(generation_id, self.request_id, self.caller.user.pk),
            *(used.prompt_tokens, used.completion_tokens),
        )


async def admit(caller: Caller, entry: CatalogEntry, *, request_id: str) -> Admission:
    """Raises ApiError: who calls may not now. Quotas and limits of people belong here."""
    return Admission(caller, entry, request_id)


def count_request(caller: Caller) -> None:
    """Raises 429. Every request with a key counts, whatever it asks for."""
    if caller.key is not None:
        rates.count(caller.key)
