from __future__ import annotations

import pytest

from chat import wording
from chat.live import LiveAnswer
from chat.models import Message, MessageState
from chat.settling import Written
from inference.types import Delta, Loading, Prefill, Queued


def answer_after(*events) -> LiveAnswer:
    clock = iter(range(100))
    message = Message(role="assistant", state=MessageState.QUEUED)
    answer = LiveAnswer(message, clock=lambda: float(next(clock)))
    for event in events:
        answer.apply(event)
    return answer


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ([], "Queued"),
        ([Queued(1)], "Queued"),
        ([Queued(2)], "Queued (2nd)"),
        ([Queued(2, 42.0)], "Queued (2nd) · about 40 s"),
        ([Queued(1, 3.0)], "Queued · your turn comes in a moment"),
        ([Queued(3, 400.0)], "Queued (3rd) · about 7 min"),
        ([Queued(13)], "Queued (13th)"),
        ([Queued(2), Loading(0.0)], "Loading model 0 %"),
        ([Loading(1.0)], "Loading model 100 %"),
        ([Loading(7.0)], "Loading model 100 %"),
        ([Prefill(0, 0)], "Reading prompt"),
        ([Prefill(5, 10)], "Reading prompt 50 % (5/10 tokens)"),
        ([Delta("a", 1)], "Generating"),
        ([Delta("a", 1), Delta("b", 3)], "Generating · 2.0 tokens/s"),
        ([Delta("Hm", 1, True)], "Thinking"),
        ([Delta("Hm", 1, True), Delta("m", 3, True)], "Thinking · 1.0 tokens/s"),
        ([Delta("Hm", 1, True), Delta("Yes", 3)], "Generating · 2.0 tokens/s"),
    ],
)
def test_the_status_line_says_what_is_waited_for(events, line):
    assert wording.status_line(answer_after(*events)) == line


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ([Delta("Hm", 1, True)], "Thinking… 0 s"),
        ([Delta("Hm", 1, True), Delta("m", 2, True)], "Thinking… 1 s"),
        ([Delta("Hm", 1, True), Delta("m", 2, True), Delta("Yes", 3)], "Thought for 1.0 s"),
    ],
)
def test_reasoning_is_told_by_how_long_it_takes(events, line):
    assert wording.live_reasoning_line(answer_after(*events)) == line


def test_reasoning_that_was_stored_is_shown_until_a_replay_has_caught_up():
    message = Message(
        role="assistant", state="streaming", reasoning="Hm, so.", reasoning_seconds=9.0
    )
    answer = LiveAnswer(message)

    answer.apply(Delta("Hm", 1, True))

    assert answer.written == Written("", "Hm, so.", 9.0)


def test_a_state_never_goes_back_when_a_log_is_replayed():
    answer = answer_after(Delta("a", 1), Queued(3), Loading(0.1))

    assert answer.state == MessageState.STREAMING


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (125.2, "2 min 5 s")],
)
def test_durations_are_short_to_read(seconds, text):
    assert wording.seconds(seconds) == text


def test_an_answer_without_tokens_has_no_statistics():
    assert wording.statistics(Message(role="assistant", state="failed")) == []


def test_one_token_is_not_tokens():
    message = Message(role="assistant", completion_tokens=1, decode_seconds=0.0)

    assert wording.statistics(message) == ["1 token"]


@pytest.mark.parametrize(
    ("limit", "num_tokens", "line"),
    [
        (None, 7, "Cut off: the context window is full."),
        (8, 7, "Cut off: the context window is full."),
        (7, 7, "Cut off after 7 tokens, as is set for this chat."),
        (1, 1, "Cut off after 1 token, as is set for this chat."),
    ],
)
def test_an_answer_that_was_cut_says_where(limit, num_tokens, line):
    message = Message(
        role="assistant",
        state=MessageState.DONE,
        finish_reason="length",
        max_tokens=limit,
        completion_tokens=num_tokens,
    )

    assert wording.ending_line(message) == line
