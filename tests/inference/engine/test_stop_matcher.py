"""A stop sequence is found wherever tokens cut it, and no part of it is ever shown."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine.detokenizer import StopMatcher

# Few letters, so that stop sequences begin, fail and overlap all the time.
texts = st.text("ab\n", max_size=30)
stops = st.lists(st.text("ab\n", min_size=1, max_size=5), min_size=1, max_size=4)
cuts = st.lists(st.integers(0, 30), max_size=12)


def fed(matcher: StopMatcher, *pieces: str) -> list[str]:
    return [matcher.feed(piece) for piece in pieces]


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def before_first_stop(text: str, stop: list[str]) -> str | None:
    """What a reader one character at a time would have before the first complete stop sequence; of
    two that end together, the longer one."""
    for end in range(len(text) + 1):
        lengths = [len(one) for one in stop if text[:end].endswith(one)]
        if lengths:
            return text[: end - max(lengths)]
    return None


@given(texts, stops, cuts)
def test_text_ends_before_the_first_stop_sequence_for_every_cut(text, stop, places):
    matcher = StopMatcher(stop)

    shown = "".join(fed(matcher, *cut(text, places))) + matcher.finish()

    expected = before_first_stop(text, stop)
    assert bool(matcher.matched) == (expected is not None)
    assert shown == (text if expected is None else expected)


@given(texts, stops, cuts)
def test_no_more_is_held_back_than_may_become_a_stop_sequence(text, stop, places):
    matcher = StopMatcher(stop)
    taken = shown = ""

    for piece in cut(text, places):
        taken += piece
        shown += matcher.feed(piece)
        held = taken[len(shown) :]
        assert matcher.matched or not held or any(one.startswith(held) for one in stop)


def test_text_comes_at_once_when_there_is_no_stop_sequence():
    assert fed(StopMatcher(()), "one", " two") == ["one", " two"]


def test_only_what_may_become_a_stop_sequence_is_held_back():
    matcher = StopMatcher(["\nUser:"])

    assert fed(matcher, "Hello\n", "Us", "ually") == ["Hello", "", "\nUsually"]


def test_what_was_held_back_is_shown_at_the_end():
    matcher = StopMatcher(["END"])

    assert fed(matcher, "the EN") == ["the "]
    assert matcher.finish() == "EN"


def test_nothing_is_shown_after_a_match():
    matcher = StopMatcher(["."])

    assert fed(matcher, "One. Two", " three") == ["One", ""]
    assert matcher.finish() == ""


@pytest.mark.parametrize("pieces", [["a stop b"], ["a st", "op b"], [*"a stop b"]])
def test_a_stop_sequence_is_found_inside_a_token_and_across_tokens(pieces):
    matcher = StopMatcher(["stop"])

    assert "".join(fed(matcher, *pieces)) == "a "
    assert matcher.matched
