"""Which pages are open on which conversation, in this process, and the rare signal to them.

"Something about this conversation changed" is all that is ever said; a page that hears it looks for
itself. Pages of other processes find out when they next look at the database (see `consumers`).
Everything here belongs to the event loop.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Protocol
from uuid import UUID

MAX_PAGES_PER_USER = 20


class Page(Protocol):
    def conversation_changed(self) -> None:
        """Messages came or went."""

    def answer_changed(self) -> None:
        """The running answer has more to show."""


class TooManyPages(Exception):
    """This person has as many pages open as one person may."""


_pages: defaultdict[UUID, set[Page]] = defaultdict(set)
_num_pages: Counter[int] = Counter()


def opened(page: Page, *, conversation_id: UUID, user_id: int) -> None:
    if _num_pages[user_id] >= MAX_PAGES_PER_USER:
        raise TooManyPages
    _num_pages[user_id] += 1
    _pages[conversation_id].add(page)


def closed(page: Page, *, conversation_id: UUID, user_id: int) -> None:
    """Idempotent."""
    pages = _pages.get(conversation_id, set())
    if page not in pages:
        return
    pages.remove(page)
    if not pages:
        del _pages[conversation_id]
    _num_pages[user_id] -= 1
    if not _num_pages[user_id]:
        del _num_pages[user_id]


def conversation_changed(conversation_id: UUID) -> None:
    for page in _pages.get(conversation_id, ()):
        page.conversation_changed()


def answer_changed(conversation_id: UUID) -> None:
    for page in _pages.get(conversation_id, ()):
        page.answer_changed()
