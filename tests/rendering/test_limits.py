"""Texts made to be costly. The time limit of the test run is the only one that is measured here."""

from __future__ import annotations

import pytest

from rendering import StreamRenderer, render_markdown
from rendering.pace import CHEAP_LENGTH
from tests.rendering.page_elements import PageElements

NOTICE = "Shown as plain text"
COSTLY = {
    "brackets": "[" * 60_000,
    "images": "![" * 30_000,
    "references": "[a][" * 15_000,
    "stars": "**a *b " * 9_000,
    "backticks": "".join("`" * number + " " for number in range(350)),
    "formula marks on lines": "\\[\n" * 20_000,
    "paragraphs with formula marks": "p\n\\[\n" * 12_000,
    "dollars": "$a " * 20_000,
    "quotes": "> " * 20_000 + "a",
    "nested list": "- " * 20_000 + "a",
    "deep list": "".join("  " * level + "- a\n" for level in range(300)),
    "wide table": "|a" * 400 + "|\n" + "|-" * 400 + "|\n" + "|\n" * 400,
    "one long line": "a b " * 262_144,
    "addresses": ("http://a.example/" + ")" * 1900 + " ") * 30,
    "blank lines of code": "```c\n" + "\n" * 30_000 + "```",
    "lazy lines": "> a\n" + "b\n" * 20_000,
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_costly_text_is_rendered_inert(text):
    PageElements(render_markdown(text))


@pytest.mark.parametrize("name", ["brackets", "images", "references"])
def test_block_that_would_cost_too_much_is_plain_and_says_so(name):
    page = PageElements(render_markdown(COSTLY[name] + "\n\n**after** it"))

    assert NOTICE in page.text
    assert COSTLY[name].strip() in page.text
    assert "after it" in page.text


def test_text_beyond_a_mebibyte_goes_on_as_plain_text_and_says_so_once():
    text = ("A **word**. " + "x" * 500 + "\n\n") * 2_500

    html = render_markdown(text)

    assert html.count(NOTICE) == 1
    assert PageElements(html).text.count("A **word**.") > 200
    assert PageElements(html).text.count("word") == 2_500


def test_text_with_too_many_elements_goes_on_as_plain_text():
    html = render_markdown("- *a* *b* *c*\n\n---\n\n" * 5_000)

    assert html.count(NOTICE) == 1
    assert html.count("<em>") < 20_000


@pytest.mark.parametrize("mark", ["> ", "- ", "1. ", "> - "])
def test_nothing_is_lost_by_deep_nesting(mark):
    html = render_markdown(mark * 400 + "the innermost\n\nafter it")

    assert "the innermost" in html
    assert "after it" in html


def test_table_of_rows_that_are_too_short_stays_small():
    assert render_markdown(COSTLY["wide table"]).count("<td") <= 5_000


def test_long_open_block_is_rendered_again_only_when_its_turn_has_come():
    now = [0.0]
    renderer = StreamRenderer(clock=lambda: now[0])
    renderer.feed("- item\n" * CHEAP_LENGTH)
    first = renderer.take()

    renderer.feed("- one more\n")
    at_once = renderer.take()
    was_behind = renderer.behind
    now[0] += 60
    later = renderer.take()

    assert at_once.tail == first.tail
    assert was_behind
    assert "one more" in later.tail
    assert not renderer.behind


def test_end_of_a_stream_does_not_wait_for_its_turn():
    renderer = StreamRenderer(clock=lambda: 0.0)
    renderer.feed("- item\n" * CHEAP_LENGTH)
    renderer.take()
    renderer.feed("- the last\n")

    assert "the last" in renderer.finish().blocks[-1]


def test_open_code_is_shown_while_it_is_written_and_coloured_when_it_ends():
    renderer = StreamRenderer()

    renderer.feed("```python\ndef f():\n    pa")
    tail = renderer.take().tail
    renderer.feed("ss\n```\n")
    rendered = renderer.take()

    assert "def f():\n    pa" in tail
    assert '<span class="k">def</span>' in rendered.blocks[0]
    assert rendered.tail == ""


def test_marks_that_may_become_anything_are_not_shown_yet():
    renderer = StreamRenderer()

    renderer.feed("A paragraph\n-")

    assert "<h" not in renderer.take().tail


def test_taking_without_new_text_gives_the_same_tail_and_no_block():
    renderer = StreamRenderer()
    renderer.feed("some *words")
    first = renderer.take()

    assert renderer.take() == first
