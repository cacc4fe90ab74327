"""Separates what a model generates into content, reasoning and tool calls, as it comes.

Tokens may cut a marker anywhere, so the end of the text that could still become one is held back.
A call is read when it is complete; what turns out to be none is content, markers and all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inference.engine.families import Bracket, Family
from inference.engine.tool_calls import Call


@dataclass(frozen=True)
class Text:
    text: str
    is_reasoning: bool = False


Part = Text | Call


class Separator:
    """For one completion. `has_tools`: the request offers some, so calls are looked for.
    `in_reasoning`: the prompt has begun it already."""

    def __init__(
        self, family: Family, *, has_tools: bool = False, in_reasoning: bool = False
    ) -> None:
        self._family = family
        self._calls = family.calls if has_tools else ()
        self._within: Bracket | None = family.reasoning[0] if in_reasoning else None
        self._held = ""
        self._is_start = True  # no content yet
        self._is_after_marker = in_reasoning

    def feed(self, text: str) -> list[Part]:
        self._held += text
        parts = self._up_to_markers(is_end=False)
        safe = self._safe_length()
        before, self._held = self._held[:safe], self._held[safe:]
        return [*parts, *self._said(before)]

    def finish(self) -> list[Part]:
        """The completion has ended: what was held back is no marker."""
        parts = self._up_to_markers(is_end=True)
        rest, self._held = self._held, ""
        if self._within in self._calls:
            return [*parts, *self._called(rest, marker="")]
        return [*parts, *self._said(rest.rstrip() if self._within else rest)]

    def _up_to_markers(self, *, is_end: bool) -> list[Part]:
        """All that stands before the last marker in what is held."""
        parts: list[Part] = []
        while (found := self._next_marker(is_end=is_end)) is not None:
            place, marker = found
            before, self._held = self._held[:place], self._held[place + len(marker) :]
            parts.extend(self._cross(before, marker))
        return parts

    def _cross(self, before: str, marker: str) -> list[Part]:
        """A marker, and what stands before it. White space beside markers is theirs."""
        within = self._within
        if within in self._calls:
            self._is_after_marker = True
            return self._called(before, marker)
        parts = self._said(before.rstrip() if within or self._is_only_space(before) else before)
        self._is_after_marker = True
        self._within = None if within else self._opened_by(marker)
        if self._within and self._within.is_part:
            self._held, self._is_after_marker = marker + self._held, False
        return parts

    def _is_only_space(self, before: str) -> bool:
        """Between markers, or the beginning and a marker: what was said already may end in it."""
        return not before.strip() and (self._is_start or self._is_after_marker)

    def _said(self, text: str) -> list[Part]:
        text = text.lstrip() if self._is_after_marker else text
        if not text:
            return []
        self._is_after_marker = False
        self._is_start = self._is_start and self._within is not None
        return [Text(text, is_reasoning=self._within is not None)]

    def _called(self, body: str, marker: str) -> list[Part]:
        within, self._within = self._within, None
        assert within is not None
        try:
            return list(self._family.read_calls(body))
        except (ValueError, RecursionError):
            opened = "" if within.is_part else within.opens
            self._is_start = self._is_after_marker = False
            return [Text(opened + body + marker)]

    def _opened_by(self, marker: str) -> Bracket | None:
        brackets = (*self._family.reasoning, *self._calls)
        return next((one for one in brackets if one.opens == marker), None)

    def _next_marker(self, *, is_end: bool) -> tuple[int, str] | None:
        """The first one; of two at one place, the longer, which may not be there yet."""
        found = [
            (place, -len(marker), marker)
            for marker, at_start in self._watched()
            if (place := self._held.find(marker)) >= 0
            and not (at_start and self._held[:place].strip())
        ]
        if not found:
            return None
        place, _, marker = min(found)
        rest = self._held[place:]
        is_undecided = not is_end and any(
            longer.startswith(rest) for longer, _ in self._watched() if len(longer) > len(rest)
        )
        return None if is_undecided else (place, marker)

    def _watched(self) -> Iterator[tuple[str, bool]]:
        """Markers that mean something here, and whether only at the start."""
        if self._within is not None:
            if self._within.closes:
                yield self._within.closes, False
            return
        for bracket in (*self._family.reasoning, *self._calls):
            if self._is_start or not bracket.at_start:
                yield bracket.opens, bracket.at_start
        for marker in self._family.dropped:
            yield marker, False

    def _safe_length(self) -> int:
        """Of what is held, that which can be shown now."""
        if self._within in self._calls:
            return 0
        text = self._held[: len(self._held) - self._num_undecided()]
        may_precede_marker = self._within or (self._is_start and not text.strip())
        return len(text.rstrip()) if may_precede_marker else len(text)

    def _num_undecided(self) -> int:
        markers = [marker for marker, _ in self._watched()]
        longest = max(map(len, markers), default=0) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            if any(marker.startswith(self._held[-size:]) for marker in markers):
                return size
        return 0
