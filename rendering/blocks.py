"""Cuts Markdown that arrives in pieces into its top-level blocks.

A block is final when no further text can change it: another block has begun behind it, or it ended
with a mark of its own. CommonMark never reopens a closed block, so the blocks are the same however
the text was cut; only the moment at which one is seen to be final differs. A definition of a link
goes with the block behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown_it.token import Token

from rendering.parser import markdown

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ENDED_BY_BLANK_LINE = {"paragraph_open", "heading_open", "table_open", "blockquote_open"}


@dataclass
class _OpenFence:
    """A fence at the start of the open text: its lines are only searched for the closing mark."""

    closing: re.Pattern[str]
    searched: int

    @classmethod
    def at(cls, lines: list[str], start: int) -> _OpenFence | None:
        match = _FENCE.match(lines[start])
        if match is None:
            return None
        mark = re.escape(match[1][0])
        return cls(re.compile(rf" {{0,3}}{mark}{{{len(match[1])},}}[ \t]*\n?"), start + 1)

    def is_closed(self, lines: list[str]) -> bool:
        while self.searched < len(lines):
            self.searched += 1
            if self.closing.fullmatch(lines[self.searched - 1]):
                return True
        return False


class BlockSplitter:
    """Owned by one renderer. Decides on complete lines only."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._partial: list[str] = []
        self._fence: _OpenFence | None = None
        self.open_length = 0

    def feed(self, text: str) -> None:
        """`text` has been through the SourceCleaner."""
        self.open_length += len(text)
        *complete, rest = text.split("\n")
        for line in complete:
            self._lines.append("".join([*self._partial, line, "\n"]))
            self._partial = []
        self._partial.append(rest)

    @property
    def open_text(self) -> str:
        """Everything that no final block holds yet."""
        return "".join([*self._lines, *self._partial])

    @property
    def in_fence(self) -> bool:
        return self._fence is not None

    def take_final(self) -> list[str]:
        """Sources of the blocks that became final since the last call, in order."""
        if self._fence is not None and not self._fence.is_closed(self._lines):
            return []
        self._fence = None
        tokens = top_level_blocks("".join(self._lines), growing=True)
        final = tokens[: _final_count(tokens, self._lines)]
        sources = self._cut([token.map[1] for token in final if token.map])
        self._note_fence(tokens[len(final) :], _taken(final))
        return sources

    def finish(self) -> list[str]:
        """Sources of all blocks that are left; nothing may follow."""
        text = self.open_text
        if last := "".join(self._partial):
            self._lines.append(last)
        sources = self._cut([token.map[1] for token in top_level_blocks(text) if token.map])
        self._lines, self._partial, self._fence = [], [], None
        return sources

    def _cut(self, ends: list[int]) -> list[str]:
        starts = [0, *ends]
        sources = [
            "".join(self._lines[start:end]) for start, end in zip(starts, ends, strict=False)
        ]
        del self._lines[: starts[-1]]
        self.open_length -= sum(map(len, sources))
        return sources

    def _note_fence(self, left: list[Token], taken: int) -> None:
        if len(left) == 1 and left[0].type == "fence" and left[0].map:
            self._fence = _OpenFence.at(self._lines, left[0].map[0] - taken)


def top_level_blocks(text: str, *, growing: bool = False) -> list[Token]:
    """The opening tokens of the blocks of `text`, each with its lines in `map`."""
    tokens: list[Token] = []
    md = markdown()
    md.block.parse(text, md, {"growing": growing}, tokens)
    return [token for token in tokens if token.level == 0 and token.nesting >= 0]


def _taken(final: list[Token]) -> int:
    return final[-1].map[1] if final and final[-1].map else 0


def _final_count(tokens: list[Token], lines: list[str]) -> int:
    """All but the last are final; the last may be. An open formula may turn out to be none,

    and then its first line goes on with the paragraph before it, which so is not final either.
    """
    if not tokens:
        return 0
    last = tokens[-1]
    if last.type == "math_block" and last.meta["open"]:
        before = tokens[-2] if len(tokens) > 1 else None
        return len(tokens) - (2 if before and _touches(before, last) else 1)
    return len(tokens) - (not _is_ended(last, lines))


def _touches(before: Token, after: Token) -> bool:
    return bool(before.map and after.map and before.map[1] == after.map[0])


def _is_ended(token: Token, lines: list[str]) -> bool:
    assert token.map is not None
    if token.type == "fence":
        fence = _OpenFence.at(lines, token.map[0])
        return fence is not None and fence.is_closed(lines[: token.map[1]])
    if token.type in {"hr", "math_block"} or (
        token.type == "heading_open" and token.markup.startswith("#")
    ):
        return True
    return token.type in _ENDED_BY_BLANK_LINE and len(lines) > token.map[1]
