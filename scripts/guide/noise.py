"""What people do to a question when they type it: other punctuation, typing errors, missing words.

Capital letters are no subject here: the chat template writes a prompt in lower case.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random

from guide.topics import Knowledge

ENDINGS = ("", "", "", "", "?", "?", "?", "?", "?", ".", "!", "??", " ?", "...", "?!")
SMALL_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "do",
        "does",
        "to",
        "of",
        "in",
        "my",
        "i",
        "is",
        "are",
        "can",
        "please",
        "for",
        "on",
        "it",
        "me",
    ]
)
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")

OPENING_SHARE = 0.15
CLOSING_SHARE = 0.1
TYPO_SHARE = 0.25
DROPPED_WORD_SHARE = 0.08
PLAIN_APOSTROPHE_SHARE = 0.6


def typed(question: str, knowledge: Knowledge, random: Random) -> str:
    """The question as somebody might have typed it, in lower case."""
    text = _framed(question, knowledge, random)
    if random.random() < DROPPED_WORD_SHARE:
        text = _without_a_small_word(text, random)
    text = _apostrophes(text, random)
    if random.random() < TYPO_SHARE:
        for _ in range(random.choice((1, 1, 2))):
            text = _mistyped(text, random)
    return text.lower() + random.choice(ENDINGS)


def _framed(question: str, knowledge: Knowledge, random: Random) -> str:
    phrases = knowledge.phrases
    if random.random() < OPENING_SHARE:
        opening = random.choice(phrases.openings).sample(random, knowledge.words)
        question = opening + random.choice((" ", " ", ", ", ": ", "... ", "! ")) + question
    if random.random() < CLOSING_SHARE:
        closing = random.choice(phrases.closings).sample(random, knowledge.words)
        question = question + random.choice((" ", " ", ", ", "? ")) + closing
    return question


def _without_a_small_word(text: str, random: Random) -> str:
    words = text.split(" ")
    small = [index for index, word in enumerate(words) if word in SMALL_WORDS]
    if small and len(words) > 3:
        del words[random.choice(small)]
    return " ".join(words)


def _apostrophes(text: str, random: Random) -> str:
    if "'" not in text or random.random() < PLAIN_APOSTROPHE_SHARE:
        return text
    return text.replace("'", random.choice(("", "", "\u2019")))


def _mistyped(text: str, random: Random) -> str:
    """One letter swapped with the next, left out, doubled, or hit beside its key."""
    places = [
        index
        for index, (letter, after) in enumerate(pairwise(text))
        if letter.isalpha() and after.isalpha()
    ]
    if len(places) < 4:
        return text
    at = random.choice(places)
    before, letter, after, rest = text[:at], text[at], text[at + 1], text[at + 2 :]
    kind = random.randrange(4)
    if kind == 0:
        return before + after + letter + rest
    if kind == 1:
        return before + after + rest
    if kind == 2:
        return before + letter + letter + after + rest
    return before + _neighbour(letter, random) + after + rest


def _neighbour(letter: str, random: Random) -> str:
    for row in KEYBOARD:
        at = row.find(letter)
        if at >= 0:
            return random.choice(
                [row[beside] for beside in (at - 1, at + 1) if 0 <= beside < len(row)]
            )
    return letter
