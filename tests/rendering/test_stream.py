from __future__ import annotations

import re
from collections.abc import Iterable

from hypothesis import example, given, settings

from rendering import StreamRenderer, render_markdown
from rendering.blocks import BlockSplitter, top_level_blocks
from rendering.parser import markdown
from rendering.sanitise import sanitise
from rendering.source import SourceCleaner
from tests.rendering.markdown_texts import cut_texts, markdown_texts


def streamed(pieces: Iterable[str]) -> str:
    renderer = StreamRenderer()
    blocks: list[str] = []
    for piece in pieces:
        renderer.feed(piece)
        blocks += renderer.take().blocks
    blocks += renderer.finish().blocks
    return "".join(blocks)


@settings(max_examples=400, deadline=None)
@given(cut_texts())
def test_blocks_of_a_stream_equal_the_whole_rendering_for_any_cut(case):
    text, pieces = case

    assert streamed(pieces) == render_markdown(text)


@settings(max_examples=150, deadline=None)
@given(markdown_texts())
@example("para\n\\[\nx\n\n- a")
@example("[one]: https://one.example\n'title\nmore'\n\n[one]")
@example("- a\n\n2")
def test_blocks_of_a_stream_equal_the_whole_rendering_when_each_character_comes_alone(text):
    assert streamed(text) == render_markdown(text)


@settings(max_examples=300, deadline=None)
@given(markdown_texts())
def test_the_splitter_finds_the_blocks_that_the_parser_finds_in_the_whole_text(text):
    text = clean(text)
    splitter = BlockSplitter()

    splitter.feed(text)
    sources = [*splitter.take_final(), *splitter.finish()]

    found = [token.type for source in sources for token in top_level_blocks(source)]
    assert found == [token.type for token in top_level_blocks(text)]
    assert text.startswith("".join(sources))


@settings(max_examples=300, deadline=None)
@given(markdown_texts().filter(lambda text: "]:" not in text))
def test_rendering_block_by_block_equals_rendering_the_document_at_once(text):
    at_once = sanitise(markdown().render(clean(text), {"highlight": True}))

    assert without_gaps(render_markdown(text)) == without_gaps(at_once)


@settings(max_examples=200, deadline=None)
@given(cut_texts())
def test_blocks_and_tail_together_show_at_every_moment_the_words_that_were_fed(case):
    """All that a rendering of the text so far would show, in the note of a fence for instance not."""
    _, pieces = case
    renderer = StreamRenderer()
    blocks = fed = ""

    for piece in pieces:
        fed += piece
        renderer.feed(piece)
        rendered = renderer.take()
        blocks += "".join(rendered.blocks)

        shown = letters(blocks + rendered.tail)
        assert shown.count("plainwords") == letters(render_markdown(fed)).count("plainwords")


def letters(html: str) -> str:
    """What stands on the page without its spaces: maths has none between its letters."""
    return re.sub(r"<[^>]*>|\s", "", html)


def clean(text: str) -> str:
    cleaner = SourceCleaner()
    return cleaner.feed(text) + cleaner.finish()


def without_gaps(html: str) -> str:
    return re.sub(r">\n+<", "><", html)
