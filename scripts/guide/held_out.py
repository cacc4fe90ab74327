"""Questions that are kept out of the training, to judge the guide by.

`held_out/tuning.toml` may be looked at to find what wordings are missing; `held_out/final.toml` is
only ever counted. Both hold plain lines for each topic, as somebody typed them: `questions`, `more`
(follow-ups that ask for more of the same) and `then` (others, with the topic that answers them).
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from chat.suggestions import GUIDE_SUGGESTIONS
from guide.wordings import ARROW

FOLDER = Path(__file__).parent / "held_out"
NAMES = ("tuning", "final")
PUNCTUATION = re.compile(r"[^\w' ]")

Lines = dict[str, dict[str, list[str]]]


def read(name: str) -> Lines:
    """By topic, then by kind of line. `name`: one of NAMES."""
    tables = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    return {
        topic: {kind: text.strip().splitlines() for kind, text in table.items()}
        for topic, table in tables.items()
    }


def questions() -> frozenset[str]:
    """All that no training may show, in plain form. What a suggestion card asks is no secret."""
    held_out = {plain(question) for question in _lines("questions")}
    return frozenset(held_out - {plain(card.text) for card in GUIDE_SUGGESTIONS})


def follow_ups() -> frozenset[str]:
    """Those that fit one topic: no training may show them after it, in plain form. "Tell me more" and
    its like fit all and are no secret."""
    asked = (line.partition(ARROW)[0] for line in (*_lines("more"), *_lines("then")))
    return frozenset(plain(question) for question in asked)


def _lines(kind: str) -> list[str]:
    return [line for name in NAMES for lines in read(name).values() for line in lines.get(kind, [])]


def plain(question: str) -> str:
    """In lower case and without punctuation: two that are alike in this are one question."""
    return " ".join(PUNCTUATION.sub(" ", question.lower()).split())
