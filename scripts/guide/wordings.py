"""A line of wordings and the many questions that it stands for.

`how (do|can) i add [a|another] model`: one of the round alternatives, one of the square ones or
nothing; nested as one likes. `{animals}` is any word of that list of words. Nothing else is special.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

SPECIAL = re.compile(r"[()\[\]|{}]|[^()\[\]|{}]+")
ARROW = " -> "  # between a follow-up and the topic that answers it
CLOSING = {"(": ")", "[": "]", "{": "}"}

Words = Mapping[str, Sequence[str]]


class WordingInvalid(ValueError):
    """`str` names the line and what is wrong with it."""


@dataclass(frozen=True)
class Text:
    text: str

    def sample(self, random: Random, words: Words) -> str:
        return self.text


@dataclass(frozen=True)
class AnyWord:
    category: str

    def sample(self, random: Random, words: Words) -> str:
        return random.choice(words[self.category])


@dataclass(frozen=True)
class Choice:
    options: tuple[Part, ...]

    def sample(self, random: Random, words: Words) -> str:
        return random.choice(self.options).sample(random, words)


@dataclass(frozen=True)
class Sequenced:
    parts: tuple[Part, ...]

    def sample(self, random: Random, words: Words) -> str:
        return "".join(part.sample(random, words) for part in self.parts)


Part = Text | AnyWord | Choice | Sequenced


@dataclass(frozen=True)
class Wording:
    """One parsed line."""

    line: str
    root: Part

    @classmethod
    def parse(cls, line: str, *, words: Words | None = None) -> Wording:
        """Raises WordingInvalid: unbalanced brackets, an unknown list of words."""
        return cls(line, _Parser(line, words or {}).parse())

    def sample(self, random: Random, words: Words) -> str:
        """One of its questions, with single spaces."""
        return " ".join(self.root.sample(random, words).split())


class _Parser:
    def __init__(self, line: str, words: Words) -> None:
        self._line = line
        self._words = words
        self._pieces = SPECIAL.findall(line)
        self._at = 0

    def parse(self) -> Part:
        part = self._sequence()
        if self._at < len(self._pieces):
            raise self._invalid(f"an unexpected {self._pieces[self._at]!r}")
        return part

    def _sequence(self) -> Part:
        parts: list[Part] = []
        while (piece := self._next()) is not None and piece not in ")]}|":
            self._at += 1
            parts.append(self._bracket(piece) if piece in CLOSING else Text(piece))
        return Sequenced(tuple(parts))

    def _bracket(self, opening: str) -> Part:
        if opening == "{":
            return self._any_word()
        options = [self._sequence()]
        while self._next() == "|":
            self._at += 1
            options.append(self._sequence())
        self._expect(CLOSING[opening])
        if opening == "[":
            options.append(Text(""))
        return Choice(tuple(options))

    def _any_word(self) -> Part:
        category = self._next() or ""
        self._at += 1
        self._expect("}")
        if category not in self._words:
            raise self._invalid(f"no list of words {category!r}")
        return AnyWord(category)

    def _expect(self, piece: str) -> None:
        if self._next() != piece:
            raise self._invalid(f"a missing {piece!r}")
        self._at += 1

    def _next(self) -> str | None:
        return self._pieces[self._at] if self._at < len(self._pieces) else None

    def _invalid(self, what: str) -> WordingInvalid:
        return WordingInvalid(f"{what} in: {self._line}")
