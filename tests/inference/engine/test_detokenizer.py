"""Bytes become text one whole character at a time, wherever tokens cut them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from inference.engine.detokenizer import Detokenizer

cuts = st.lists(st.integers(0, 60), max_size=12)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), cuts)
def test_text_is_whole_characters_only_for_every_cut(text, places):
    detokenizer = Detokenizer()
    shown = ""

    for piece in cut(text.encode(), places):
        shown += detokenizer.feed(piece)
        assert text.startswith(shown)

    assert shown + detokenizer.finish() == text


@given(st.binary(max_size=40), cuts)
def test_bytes_that_are_no_text_read_the_same_for_every_cut(data, places):
    detokenizer = Detokenizer()

    shown = "".join(detokenizer.feed(piece) for piece in cut(data, places))

    assert shown + detokenizer.finish() == data.decode("utf-8", "replace")


def test_a_character_waits_for_its_last_byte():
    detokenizer = Detokenizer()

    shown = [detokenizer.feed(bytes([byte])) for byte in "a🦉é".encode()]

    assert shown == ["a", "", "", "", "🦉", "", "é"]


def test_an_unfinished_character_is_one_replacement_at_the_end():
    detokenizer = Detokenizer()
    detokenizer.feed("🦉".encode()[:3])

    assert detokenizer.finish() == "\N{REPLACEMENT CHARACTER}"
