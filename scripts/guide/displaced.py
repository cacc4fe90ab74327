"""Near misses without end: a question about Minerva whose subject gives way to a foreign one.

"how do i delete a chat" becomes "how do i delete a giraffe". So the model must look at the noun,
not at the frame around it; made-up words stand for all those that no list has.
"""

from __future__ import annotations

import re
from random import Random

from guide.topics import Knowledge

NOT_NOUNS = frozenset({"number", "verbs", "adjectives", "past_dates", "other_ai", "more_about"})
MADE_UP_SHARE = 0.25


class Displacer:
    def __init__(self, knowledge: Knowledge) -> None:
        subjects = sorted(knowledge.phrases.subjects, key=len, reverse=True)
        self._subject = re.compile(rf"\b(?:{'|'.join(map(re.escape, subjects))})\b")
        self._categories = [
            words for name, words in sorted(knowledge.words.items()) if name not in NOT_NOUNS
        ]

    def displaced(self, question: str, random: Random) -> str | None:
        """None: the question names no subject that could be replaced."""
        noun = self._noun(random)
        changed = self._subject.sub(noun, question)
        return changed if changed != question else None

    def _noun(self, random: Random) -> str:
        noun = self._listed(random)
        if random.random() >= MADE_UP_SHARE:
            return noun
        other = self._listed(random)
        return (noun[: len(noun) // 2 + 1] + other[len(other) // 2 :]).replace(" ", "")

    def _listed(self, random: Random) -> str:
        return random.choice(random.choice(self._categories))
