"""A conversation that no longer fits: which turns the model still gets to read."""

from __future__ import annotations

import pytest

from inference.runner.overflow import without_oldest
from inference.types import ChatMessage

SYSTEM = ChatMessage("system", "Be brief.")


def chat(num_turns: int) -> tuple[ChatMessage, ...]:
    """Ends with a prompt."""
    said = [
        ChatMessage(role, f"{role} {number}")
        for number in range(num_turns)
        for role in ("user", "assistant")
    ]
    return (SYSTEM, *said[:-1])


def kept(messages: tuple[ChatMessage, ...], most: int) -> tuple[ChatMessage, ...] | None:
    """As if each message were a token."""
    return without_oldest(messages, lambda shorter: len(shorter) <= most)


def test_the_system_prompt_and_the_last_turns_stay():
    messages = chat(5)

    shorter = kept(messages, 6)

    assert shorter == (SYSTEM, *messages[-5:])


@pytest.mark.parametrize("most", range(2, 40))
def test_what_stays_begins_with_a_turn_and_fits(most: int):
    shorter = kept(chat(20), most)

    assert shorter is not None
    assert len(shorter) <= most
    assert shorter[0] == SYSTEM
    assert shorter[1].role == "user"
    assert shorter[-1] == chat(20)[-1]


def test_not_even_the_last_turn_may_fit():
    assert kept(chat(5), 1) is None
    assert kept(chat(1), 1) is None


def test_the_beginning_stays_the_same_for_some_turns():
    """Else each turn would have to be computed from its first token."""
    beginnings = [kept(chat(num_turns), 40) for num_turns in range(32, 40)]

    assert len({shorter[1] for shorter in beginnings if shorter}) <= 3


def test_a_long_conversation_is_not_measured_message_by_message():
    asked: list[int] = []

    def fits(shorter: tuple[ChatMessage, ...]) -> bool:
        asked.append(len(shorter))
        return len(shorter) < 100

    without_oldest(chat(1000), fits)

    assert len(asked) < 12


def test_an_answer_of_a_tool_stays_with_its_question():
    messages = (
        ChatMessage("user", "Oslo?"),
        ChatMessage("assistant", ""),
        ChatMessage("tool", "rain"),
        ChatMessage("assistant", "Rain."),
        ChatMessage("user", "Rome?"),
        ChatMessage("assistant", ""),
        ChatMessage("tool", "sun"),
    )

    assert kept(messages, 6) == messages[4:]
