"""The one ledger of chat page and API: what each request took, and the quotas that are set against it.

`record` is called once for each request, at its end, in the transaction that stores the end.
`refuse_if_spent` is called before one begins. An answer that has begun is not cut off.

A quota of requests counts those that run too, or it would not hold for requests made at the same time: all
of them would be asked for before the first is recorded. A quota of tokens cannot: nobody knows yet how many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Literal

from django.db.models import Count, F, Q, QuerySet, Sum, Value
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.models import Quota, UsageRecord, User

WINDOWS = {1: "hour", 24: "day", 24 * 7: "week", 24 * 30: "month"}
TOKENS = F("prompt_tokens") + F("completion_tokens")
RunningOf = Callable[[User], int]
_running: list[RunningOf] = []


class QuotaSpent(Exception):
    """`str` is the sentence for the person; `free_at`: when the next request is taken."""

    def __init__(self, sentence: str, *, free_at: datetime) -> None:
        super().__init__(sentence)
        self.free_at = free_at


def record(
    *,
    user_id: int,
    model_name: str,
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    seconds: float = 0.0,
    has_failed: bool = False,
    key: str = "",
) -> None:
    UsageRecord.objects.create(
        user_id=user_id,
        key=key,
        model_name=model_name,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        seconds=seconds,
        has_failed=has_failed,
    )


def counts_as_used(running_of: RunningOf) -> RunningOf:
    """Of a module that starts requests: those of a person that have not come to their end, and are in no
    record yet. Asked only where a quota of requests exists."""
    _running.append(running_of)
    return running_of


def refuse_if_spent(user: User) -> None:
    """Raises QuotaSpent. One query for somebody without a quota."""
    for standing in standings(user):
        if standing.is_spent:
            raise QuotaSpent(standing.sentence, free_at=standing.free_at)


@dataclass(frozen=True)
class Standing:
    """How much of one quota is used. `records`: of its window."""

    quota: Quota
    records: QuerySet[UsageRecord]
    used: int
    limit: int
    unit: Literal["tokens", "requests"]

    @property
    def is_spent(self) -> bool:
        return self.used >= self.limit

    @property
    def window(self) -> str:
        name = WINDOWS.get(self.quota.hours)
        return f"one {name}" if name else f"{self.quota.hours} hours"

    @property
    def sentence(self) -> str:
        at = timezone.localtime(self.free_at)
        return (
            f"You have used {self.used:,} of the {self.limit:,} {self.unit} that you may use in "
            f"{self.window}. You can go on in {_wait(self.free_at - timezone.now())}, at "
            f"{at:%H:%M %Z} on {at:%d %b}."
        )

    @cached_property
    def free_at(self) -> datetime:
        """When enough of the oldest has left the window; what runs has its whole window before it. A limit of
        0 is never free before it is changed. Reads no more rows than have to leave."""
        used, window = self.used, timedelta(hours=self.quota.hours)
        amount = TOKENS if self.unit == "tokens" else Value(1)
        rows = self.records.order_by("created_at").values_list("created_at", amount)
        for at, taken in rows.iterator():
            used -= taken
            if used < self.limit:
                left_at: datetime = at + window
                return left_at
        return timezone.now() + window


def standings(user: User) -> list[Standing]:
    return [standing for quota in Quota.objects.of(user) for standing in _standings(quota, user)]


def _standings(quota: Quota, user: User) -> Iterator[Standing]:
    """One query of the ledger, however much was used."""
    is_of_requests = quota.max_requests is not None
    # Before the records: one that ends in between counts twice for a moment, rather than not at all.
    num_running = sum(running_of(user) for running_of in _running) if is_of_requests else 0
    since = timezone.now() - timedelta(hours=quota.hours)
    records = UsageRecord.objects.filter(user=user, created_at__gt=since)
    sums = records.aggregate(tokens=Sum(TOKENS, default=0), requests=Count("pk"))
    if quota.max_tokens is not None:
        yield Standing(quota, records, sums["tokens"], quota.max_tokens, "tokens")
    if quota.max_requests is not None:
        used = sums["requests"] + num_running
        yield Standing(quota, records, used, quota.max_requests, "requests")


def _wait(left: timedelta) -> str:
    minutes = max(1, -(-int(left.total_seconds()) // 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min"
    return f"{hours // 24} days"


# -- what the pages show --------------------------------------------------------------------------


@dataclass(frozen=True)
class Day:
    day: date
    tokens: int
    requests: int


def by_day(records: QuerySet[UsageRecord], *, num_days: int = 30) -> list[Day]:
    """Each of the last days, those without use included; one query."""
    today = timezone.localdate()
    first = today - timedelta(days=num_days - 1)
    rows = records.filter(created_at__date__gte=first).annotate(day=TruncDate("created_at"))
    sums = rows.values("day").annotate(tokens=Sum(TOKENS), requests=Count("pk"))
    found = {row["day"]: Day(row["day"], row["tokens"], row["requests"]) for row in sums}
    days = [first + timedelta(days=number) for number in range(num_days)]
    return [found.get(day, Day(day, 0, 0)) for day in days]


def by(records: QuerySet[UsageRecord], *fields: str, num_days: int = 30) -> list[dict[str, object]]:
    """Sums for each value of these fields, the most used first; one query."""
    since = timezone.now() - timedelta(days=num_days)
    rows = records.filter(created_at__gt=since).values(*fields)
    sums = rows.annotate(
        tokens=Sum(TOKENS),
        prompt=Sum("prompt_tokens"),
        completion=Sum("completion_tokens"),
        requests=Count("pk"),
        failed=Count("pk", filter=Q(has_failed=True)),
    )
    return list(sums.order_by("-tokens")[:200])
