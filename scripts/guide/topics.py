"""What the guide knows, read from the files beside this one.

`topics/*.toml`: one file an area, one `[[topic]]` a subject with its answer, what to say to "tell me
more" (`more`), and its wordings (see `wordings`), one a line. `follow_ups`: short questions that
only make sense after this answer, each with the topic that answers it: `where is it -> models-folder`;
`-> more` leads to its own `more`.
`near_misses`: questions that share words with the topic and are declined all the same.

`off_topic.toml`: what is declined. `words/*.txt`: lists of words that off-topic wordings draw from.
`phrases.toml`: follow-ups that fit every topic, and ways to open and close a question.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from guide import held_out
from guide.wordings import ARROW, Wording, WordingInvalid, Words

FOLDER = Path(__file__).parent
MORE = "more"


@dataclass(frozen=True)
class FollowUp:
    wording: Wording
    topic: str


@dataclass(frozen=True)
class Topic:
    """`answer` and `more` are Markdown, word for word what the guide says."""

    name: str
    answer: str
    more: str
    questions: tuple[Wording, ...]
    near_misses: tuple[Wording, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()


@dataclass(frozen=True)
class Phrases:
    """`more`: "tell me more" and its like. `openings`, `closings`: around any question. `subjects`:
    words that make a question one about Minerva."""

    more: tuple[Wording, ...]
    openings: tuple[Wording, ...]
    closings: tuple[Wording, ...]
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Knowledge:
    """`off_topic`: its questions are declined. `nothing_more`: said to a second "tell me more".
    `held_out`, `held_out_follow_ups`: questions that must not be trained, the latter after a topic they
    fit, in the plain form of `held_out.plain`."""

    topics: tuple[Topic, ...]
    off_topic: Topic
    nothing_more: str
    phrases: Phrases
    words: Words = field(repr=False)
    held_out: frozenset[str] = field(repr=False)
    held_out_follow_ups: frozenset[str] = field(repr=False)

    @cached_property
    def by_name(self) -> dict[str, Topic]:
        return {topic.name: topic for topic in (*self.topics, self.off_topic)}

    def answer_to(self, follow_up: FollowUp, *, after: Topic) -> str:
        return after.more if follow_up.topic == MORE else self.by_name[follow_up.topic].answer

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """Everything the guide can say."""
        all_topics = (*self.topics, self.off_topic)
        return (
            *(text for topic in all_topics for text in (topic.answer, topic.more)),
            self.nothing_more,
        )


def load() -> Knowledge:
    """Raises WordingInvalid, ValueError (a name twice, a follow-up to nowhere)."""
    words = _words()
    topics = tuple(topic for path in _area_files() for topic in _topics(path, words))
    off_topic = _read(FOLDER / "off_topic.toml")
    knowledge = Knowledge(
        topics=topics,
        off_topic=_topic(off_topic, words),
        nothing_more=off_topic["nothing_more"],
        phrases=_phrases(words),
        words=words,
        held_out=held_out.questions(),
        held_out_follow_ups=held_out.follow_ups(),
    )
    _check(knowledge)
    return knowledge


def data_files() -> list[Path]:
    """All that the training depends on, in a fixed order."""
    others = [FOLDER / "off_topic.toml", FOLDER / "phrases.toml"]
    return [*_area_files(), *others, *_word_files(), *sorted(held_out.FOLDER.glob("*.toml"))]


def _area_files() -> list[Path]:
    return sorted((FOLDER / "topics").glob("*.toml"))


def _word_files() -> list[Path]:
    return sorted((FOLDER / "words").glob("*.txt"))


def _read(path: Path) -> dict[str, str]:
    return tomllib.loads(path.read_text())


def _topics(path: Path, words: Words) -> Iterable[Topic]:
    try:
        return [_topic(table, words) for table in tomllib.loads(path.read_text())["topic"]]
    except WordingInvalid as exc:
        raise WordingInvalid(f"{path.name}: {exc}") from exc


def _topic(table: dict[str, str], words: Words) -> Topic:
    return Topic(
        name=table["name"],
        answer=table["answer"],
        more=table["more"],
        questions=_wordings(table["questions"], words),
        near_misses=_wordings(table.get("near_misses", ""), words),
        follow_ups=tuple(
            FollowUp(Wording.parse(question, words=words), topic)
            for question, _, topic in (
                line.partition(ARROW) for line in _lines(table.get("follow_ups", ""))
            )
        ),
    )


def _phrases(words: Words) -> Phrases:
    tables = _read(FOLDER / "phrases.toml")
    return Phrases(
        more=_wordings(tables["more"], words),
        openings=_wordings(tables["openings"], words),
        closings=_wordings(tables["closings"], words),
        subjects=tuple(tables["subjects"].split()),
    )


def _wordings(text: str, words: Words) -> tuple[Wording, ...]:
    return tuple(Wording.parse(line, words=words) for line in _lines(text))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _words() -> dict[str, tuple[str, ...]]:
    """Each file has headings `## category`, and below each its words, separated by commas."""
    words: dict[str, list[str]] = {}
    for path in _word_files():
        for line in _lines(path.read_text()):
            if line.startswith("## "):
                category = words.setdefault(line.removeprefix("## "), [])
            else:
                category.extend(word.strip() for word in line.split(",") if word.strip())
    return {name: tuple(dict.fromkeys(found)) for name, found in words.items()}


def _check(knowledge: Knowledge) -> None:
    if len(knowledge.by_name) != len(knowledge.topics) + 1:
        raise ValueError("Two topics have the same name.")
    for topic in knowledge.topics:
        for follow_up in topic.follow_ups:
            if follow_up.topic not in (MORE, *knowledge.by_name):
                raise ValueError(f"A follow-up of {topic.name} leads to {follow_up.topic!r}.")
