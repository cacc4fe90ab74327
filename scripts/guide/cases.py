"""The conversations that the guide is judged by: see `held_out`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from chat.suggestions import GUIDE_SUGGESTIONS
from guide import held_out
from guide.conversations import Conversation, Turn
from guide.topics import Knowledge, Topic
from guide.wordings import ARROW


class Kind(StrEnum):
    QUESTION = "held-out wordings"
    OFF_TOPIC = "off-topic declined"
    FOLLOW_UP = "follow-ups"
    CARD = "suggestion cards"


@dataclass(frozen=True)
class Case:
    """`conversation.last.answer` is the right answer."""

    kind: Kind
    conversation: Conversation


def cases(knowledge: Knowledge, name: str) -> list[Case]:
    """`name`: "tuning" or "final". Suggestion cards are in both."""
    found = [
        case
        for topic, lines in held_out.read(name).items()
        for case in _cases_of(knowledge, knowledge.by_name[topic], lines)
    ]
    return [*found, *_cards(knowledge)]


def _cases_of(knowledge: Knowledge, topic: Topic, lines: dict[str, list[str]]) -> Iterator[Case]:
    """A follow-up comes after a question that was held out too."""
    questions = [line for line in lines["questions"] if held_out.plain(line) in knowledge.held_out]
    kind = Kind.OFF_TOPIC if topic is knowledge.off_topic else Kind.QUESTION
    for question in questions:
        yield Case(kind, Conversation(Turn(question, topic.answer)))
    before = Turn(questions[0], topic.answer)
    for question in lines.get("more", []):
        yield Case(Kind.FOLLOW_UP, Conversation(Turn(question, topic.more), before))
    for line in lines.get("then", []):
        question, _, name = line.partition(ARROW)
        answer = knowledge.by_name[name].answer
        yield Case(Kind.FOLLOW_UP, Conversation(Turn(question, answer), before))


def _cards(knowledge: Knowledge) -> Iterator[Case]:
    for suggestion in GUIDE_SUGGESTIONS:
        answer = knowledge.by_name[suggestion.topic].answer
        yield Case(Kind.CARD, Conversation(Turn(suggestion.text, answer)))
