from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine.detokenizer import Detokenizer, StopMatcher


def detokenized(pieces: list[bytes]) -> list[str]:
    detokenizer = Detokenizer()
    return [detokenizer.feed(piece) for piece in pieces] + [detokenizer.finish()]


def matched(pieces: list[str], stop: list[str]) -> str:
    matcher = StopMatcher(stop)
    return "".join(matcher.feed(piece) for piece in pieces) + matcher.finish()


def cut(whole: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[start:end] for start, end in pairwise(edges)]


def test_a_character_is_held_back_until_it_is_whole():
    first, second = "😀".encode()[:3], "😀".encode()[3:]

    assert detokenized([b"a" + first, second + b"b"]) == ["a", "😀b", ""]


def test_bytes_that_are_no_utf8_become_replacement_characters():
    assert "".join(detokenized([b"a\xff", b"\xe6b"])) == "a\ufffd\ufffdb"


def test_a_character_that_is_never_completed_becomes_one_replacement_character():
    assert detokenized([b"\xf0\x9f\x98"]) == ["", "\ufffd"]


@given(text=st.text(), places=st.lists(st.integers(0, 400)))
def test_the_text_is_the_same_however_its_bytes_are_cut(text: str, places: list[int]):
    data = text.encode()
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]

    texts = detokenized(pieces)

    assert "".join(texts) == text


@pytest.mark.parametrize(
    ("pieces", "stop", "expected"),
    [
        (["one STOP two"], ["STOP"], "one "),
        (["one S", "TO", "P two"], ["STOP"], "one "),
        (["one STO", "NE"], ["STOP"], "one STONE"),
        (["ends in STO"], ["STOP"], "ends in STO"),
        (["STOP"], ["STOP"], ""),
        (["aab"], ["ab"], "a"),
        (["anything"], [], "anything"),
        (["x\n\nUser: y"], ["\nUser:", "\n\n"], "x"),
    ],
)
def test_text_ends_before_the_stop_sequence(pieces: list[str], stop: list[str], expected: str):
    assert matched(pieces, stop) == expected


def test_only_what_may_become_a_stop_sequence_is_held_back():
    matcher = StopMatcher(["</end>"])

    assert matcher.feed("text </e") == "text "
    assert matcher.feed("m>") == "</em>"


def test_nothing_comes_after_a_match():
    matcher = StopMatcher(["."])

    assert matcher.feed("one. two") == "one"
    assert matcher.matched
    assert matcher.feed("three") + matcher.finish() == ""


@given(
    text=st.text("ab.", max_size=30),
    stop=st.lists(st.text("ab.", min_size=1, max_size=4), max_size=3),
    places=st.lists(st.integers(0, 40)),
)
def test_the_end_is_the_same_however_the_text_is_cut(text: str, stop: list[str], places: list[int]):
    assert matched(cut(text, places), stop) == matched(list(text), stop)
