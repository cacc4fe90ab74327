"""Whether what open pages show is still theirs to see, and what state their chats are in.

One look for all pages that wait for it: two queries, however many are open. When each page asked for
itself, 300 that nobody touched took the whole of a core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from accounts import background
from accounts.database import in_database
from accounts.models import Session
from accounts.sessions import is_good
from chat.flow import GONE, SIGNED_OUT, Refused
from chat.models import RUNNING_STATES, Conversation

LOOK_SECONDS = 1.25  # signed out is shut out within two seconds


@dataclass(frozen=True)
class Subject:
    """An open page: who looks at which chat, by which session; `session_key` None: by none."""

    session_key: str | None
    user_id: int | None
    conversation_id: UUID


# What tells a changed conversation from an unchanged one.
State = tuple[object, ...]
# Or the code that the page's socket is closed with.
Seen = State | int


class Lookout:
    """In the event loop. A round begins with the first page that waits for one."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[Seen], Subject] = {}
        self._round: asyncio.Task[None] | None = None

    async def next_look(self, subject: Subject) -> State:
        """Within LOOK_SECONDS and the time that the look takes. Raises Refused and DatabaseError."""
        told: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        self._waiting[told] = subject
        if self._round is None or self._round.done():
            self._round = background.spawn(self._go_round(), name="look at open pages")
        try:
            return _allowed(await told)
        finally:
            self._waiting.pop(told, None)

    async def _go_round(self) -> None:
        await asyncio.sleep(LOOK_SECONDS)
        waiting, self._waiting = self._waiting, {}
        self._round = None  # who comes while we look begins another
        try:
            seen = await look_at(set(waiting.values()))
        except Exception as error:
            for told in _open(waiting):
                told.set_exception(error)
            return
        for told in _open(waiting):
            told.set_result(seen[waiting[told]])


def _open(waiting: Iterable[asyncio.Future[Seen]]) -> list[asyncio.Future[Seen]]:
    """But for those whose page was closed meanwhile."""
    return [told for told in waiting if not told.done()]


next_look = Lookout().next_look


async def look(subject: Subject) -> State:
    """At once. Raises Refused."""
    return _allowed((await look_at({subject}))[subject])


def _allowed(seen: Seen) -> State:
    if isinstance(seen, int):
        raise Refused(seen)
    return seen


@in_database
def look_at(subjects: Collection[Subject]) -> dict[Subject, Seen]:
    signed_in, states = set(_signed_in(subjects)), dict(_states(subjects))
    return {
        one: states.get((one.user_id, one.conversation_id), GONE)
        if (one.session_key, one.user_id) in signed_in
        else SIGNED_OUT
        for one in subjects
    }


def _signed_in(subjects: Collection[Subject]) -> Iterator[tuple[str | None, int | None]]:
    """Read anew: signing out, a changed password and deactivation end a session."""
    keys = {one.session_key for one in subjects if one.session_key}
    live = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    for session in live.select_related("user"):
        if is_good(session):
            yield session.session_key, session.user_id


def _states(subjects: Collection[Subject]) -> Iterator[tuple[Any, State]]:
    """By owner and chat: a foreign chat is a missing one."""
    listed = Conversation.objects.listed().filter(pk__in={one.conversation_id for one in subjects})
    found = listed.values_list("owner_id", "pk", "leaf_id", "leaf__state", "refusal")
    for owner_id, pk, leaf_id, state, refusal in found:
        told = "running" if state in RUNNING_STATES else state
        yield (owner_id, pk), (leaf_id, told, refusal)
