"""The one place where a program's generation is let in, and where what it took is known at its end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from weakref import ref

from django.utils import timezone

from accounts import background
from accounts import usage as ledger
from accounts.database import in_database
from accounts.models import User
from api import metrics, rates
from api.callers import Caller
from api.errors import ApiError
from inference.types import Timings, Usage
from models_app.models import CatalogEntry

logger = logging.getLogger(__name__)
# Not owned: a request that is refused after it was let in never ends. It is over when its handler lets go.
_admitted: set[ref[Admission]] = set()


@dataclass(eq=False)
class Admission:
    """`ended` is to be called once for each generation, whatever became of it. `num_open`: those to come to
    their end; set before the first does."""

    caller: Caller
    entry: CatalogEntry
    request_id: str
    num_open: int = 1

    def ended(
        self, *, generation_id: str, model: str, usage: Usage | None, timings: Timings | None
    ) -> None:
        """`model`: the name of the one that answered. `usage` None: nothing was computed, or nobody knows. In
        the event loop, so nothing here waits."""
        used = usage or Usage(prompt_tokens=0, completion_tokens=0)
        metrics.TOKENS.labels(model, "prompt").inc(used.prompt_tokens)
        metrics.TOKENS.labels(model, "cached").inc(used.cached_tokens)
        metrics.TOKENS.labels(model, "completion").inc(used.completion_tokens)
        if timings and timings.time_to_first_token is not None:
            metrics.FIRST_TOKEN.labels(model).observe(timings.time_to_first_token)
        background.spawn(
            in_database(self._record)(model, used, timings, has_failed=usage is None), name="usage"
        )
        logger.info(
            "generation=%s request=%s user=%s prompt_tokens=%d completion_tokens=%d",
            *(generation_id, self.request_id, self.caller.user.pk),
            *(used.prompt_tokens, used.completion_tokens),
        )

    def _record(
        self, model: str, used: Usage, timings: Timings | None, *, has_failed: bool
    ) -> None:
        """In the thread of `admit`, which so finds each generation here or in the ledger."""
        key = self.caller.key
        self.num_open -= 1
        ledger.record(
            user_id=self.caller.user.pk,
            key=key.name if key else "",
            model_name=model,
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
            seconds=timings.total if timings else 0.0,
            has_failed=has_failed,
        )


def admit(caller: Caller, entry: CatalogEntry, *, request_id: str) -> Admission:
    """Asks the database, in whose thread one is let in after the other. Raises ApiError: who calls may not, or
    not now."""
    _refuse_if_not_allowed(caller.user)
    admission = Admission(caller, entry, request_id)
    _admitted.add(ref(admission, _admitted.discard))
    return admission


@ledger.counts_as_used
def _num_running(user: User) -> int:
    """From any thread, so of a copy, which is made at once."""
    admitted = [one() for one in _admitted.copy()]
    return sum(one.num_open for one in admitted if one and one.caller.user.pk == user.pk)


def _refuse_if_not_allowed(user: User) -> None:
    if not user.can_generate:
        raise ApiError(
            403, "A viewer reads what others share, and cannot generate.", code="not_allowed"
        )
    try:
        ledger.refuse_if_spent(user)
    except ledger.QuotaSpent as spent:
        wait = (spent.free_at - timezone.now()).total_seconds()
        raise ApiError(429, str(spent), code="quota_exceeded", retry_after=wait) from spent


def count_request(caller: Caller) -> None:
    """Raises 429. Every request with a key counts, whatever it asks for."""
    if caller.key is not None:
        rates.count(caller.key)
