"""The one ledger of chat page and API: what each request took, and the quotas that are set against it.

`record` is called once for each request, at its end, in the transaction that stores the end.
`refuse_if_spent` is called before one begins. An answer that has begun is not cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.models import Quota, UsageRecord, User

WINDOWS = {1: "hour", 24: "day", 24 * 7: "week", 24 * 30: "month"}
TOKENS = F("prompt_tokens") + F("completion_tokens")


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


def refuse_if_spent(user: User) -> None:
    """Raises QuotaSpent. One query for somebody without a quota."""
    for standing in standings(user):
        if standing.is_spent:
            raise QuotaSpent(standing.sentence, free_at=standing.free_at)


@dataclass(frozen=True)
class Standing:
    """How much of one quota is used."""

    quota: Quota
    used: int
    limit: int
    unit: str
    free_at: datetime

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


def standings(user: User) -> list[Standing]:
    found = []
    for quota in Quota.objects.of(user):
        rows = _within(user, quota.hours)
        if quota.max_tokens is not None:
            amounts = [(at, prompt + completion) for at, prompt, completion in rows]
            found.append(_standing(quota, amounts, quota.max_tokens, "tokens"))
        if quota.max_requests is not None:
            amounts = [(at, 1) for at, _, _ in rows]
            found.append(_standing(quota, amounts, quota.max_requests, "requests"))
    return found


def _within(user: User, hours: int) -> list[tuple[datetime, int, int]]:
    """Oldest first."""
    since = timezone.now() - timedelta(hours=hours)
    rows = UsageRecord.objects.filter(user=user, created_at__gt=since).order_by("created_at")
    return list(rows.values_list("created_at", "prompt_tokens", "completion_tokens"))


def _standing(
    quota: Quota, amounts: Sequence[tuple[datetime, int]], limit: int, unit: str
) -> Standing:
    used = sum(amount for _, amount in amounts)
    return Standing(quota, used, limit, unit, _free_at(amounts, used, limit, quota.hours))


def _free_at(
    amounts: Iterable[tuple[datetime, int]], used: int, limit: int, hours: int
) -> datetime:
    """When enough of the oldest has left the window. A limit of 0 is never free before it is changed."""
    for at, amount in amounts:
        used -= amount
        if used < limit:
            return at + timedelta(hours=hours)
    return timezone.now() + timedelta(hours=hours)


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
