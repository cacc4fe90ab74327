"""What a reader sees of each kind of Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rendering import render_markdown
from rendering.highlight import LANGUAGES, highlighted, span_classes
from tests.rendering.page_elements import PageElements


def text_of(markdown: str) -> str:
    return PageElements(render_markdown(markdown)).text


def code_of(html: str) -> str:
    _, _, rest = html.partition("<code")
    return PageElements("<code" + rest.partition("</code>")[0] + "</code>").text


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["def f(x):", "\t<a & b>", "  'é👩‍👩‍👧\u202e'", "", "/* x", '"""', "#"])
    ),
    st.sampled_from(["", *LANGUAGES, "unknown"]),
)
def test_text_of_code_survives_byte_for_byte(lines, language):
    code = "".join(line + "\n" for line in lines)

    html = render_markdown(f"````{language}\n{code}````")

    assert code_of(html) == code


def test_code_block_has_a_header_with_its_language_and_a_copy_button():
    html = render_markdown("```py\nx = 1\n```")

    assert '<span class="code-language">Python</span>' in html
    assert '<button class="icon-button copy-code" type="button"' in html


def test_code_of_a_known_language_has_classes_and_that_of_an_unknown_one_is_plain():
    assert '<span class="k">def</span>' in render_markdown("```python\ndef f(): pass\n```")
    assert ">def f(): pass\n</code>" in render_markdown("```madeup\ndef f(): pass\n```")


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_a_lexer_whose_classes_the_sanitiser_knows(language):
    html = highlighted("# x = 'a' + 1\nif (a < b) { return; }\n", language)

    assert html is not None
    assert {part.split('"')[0] for part in html.split('class="')[1:]} <= span_classes()


@pytest.mark.parametrize(
    "code", ["x" * 3000, "a\n" * 20_000, "\n" * 200], ids=["long line", "long", "blank lines"]
)
def test_code_that_is_costly_to_highlight_is_plain(code):
    assert "<span" not in (highlighted(code, "python") or "")


def test_code_on_which_a_lexer_takes_too_long_is_shown_without_colours():
    hostile = "a\n" * 8000

    html = render_markdown(f"```csharp\n{hostile}```\n\n```python\ndef f(): pass\n```")

    assert code_of(html) == hostile
    assert '<span class="k">' not in html


def test_task_list_has_boxes_that_say_their_state():
    html = render_markdown("- [x] bought\n- [ ] cooked")

    assert html.count('role="img"') == 2
    assert 'aria-label="Done"' in html
    assert 'aria-label="Not done"' in html
    assert PageElements(html).text.split() == ["bought", "cooked"]


def test_table_scrolls_in_its_own_region_with_its_alignment():
    html = render_markdown("| a | b |\n|---|--:|\n| 1 | 2 |")

    assert '<div class="table-scroll" tabindex="0" role="group" aria-label="Table"><table' in html
    assert '<td align="right"' in html


def test_headings_stand_below_those_of_the_page():
    html = render_markdown("# a\n\n## b\n\n###### c")

    assert [html.count(f"<h{level}") for level in range(1, 7)] == [0, 0, 0, 1, 1, 1]


def test_link_shows_its_host_unless_its_text_is_the_address():
    assert text_of("[docs](https://a.example/x)") == "docs a.example"
    assert text_of("<https://a.example/x>") == "https://a.example/x"
    assert text_of("[a.example](https://evil.example)") == "a.example evil.example"
    assert text_of("[\u0430.com](https://\u0430.com)") == "\u0430.com xn--80a.com"


def test_a_page_of_our_own_is_a_plain_link_in_the_same_tab():
    html = render_markdown("[Models](/models/)")

    assert html == '<p dir="auto"><a href="/models/">Models</a></p>'


@pytest.mark.parametrize(
    "address", ["/models", "/models/x/delete", "//models/", "/sign-out/", "models/"]
)
def test_other_addresses_of_our_own_stay_text(address):
    assert text_of(f"[Models]({address})") == f"[Models]({address})"


def test_bare_address_is_a_link_without_the_end_of_the_sentence():
    page = PageElements(render_markdown("(see https://a.example/x_(y), or https://b.example.)"))

    assert page.addresses == ["https://a.example/x_(y)", "https://b.example"]
    assert page.text == "(see https://a.example/x_(y), or https://b.example.)"


def test_image_is_a_link_with_its_host_and_never_an_image():
    page = PageElements(render_markdown("![a cat](https://images.example/1.png)"))

    assert page.text == "image: a cat images.example"
    assert page.addresses == ["https://images.example/1.png"]


def test_image_inside_a_link_does_not_nest_links():
    html = render_markdown("[![cat](https://i.example/1.png)](https://a.example)")

    assert html.count("<a ") == 1


@pytest.mark.parametrize(
    "source", ["$a^2$", "\\(a^2\\)", "$$a^2$$", "\\[a^2\\]", "\\[\na\n+ 2\n\\]", "text\n$$\na\n$$"]
)
def test_formula_becomes_mathml(source):
    html = render_markdown(source)

    assert "<math" in html
    assert "$" not in html
    assert "\\" not in html


@pytest.mark.parametrize(
    "source", ["\\(\\unknowncommand{x}\\)", "\\(\\frac\\)", "\\({{{\\)", f"\\({'{' * 60}\\)"]
)
def test_formula_that_cannot_be_drawn_is_shown_as_its_source(source):
    assert text_of(source) == source


def test_prices_are_not_formulas():
    text = "It costs $5 and then $6, or US$7 to US$8."

    assert text_of(text) == text


def test_size_in_a_formula_cannot_cover_the_page():
    html = render_markdown("\\[ \\rule{9999em}{9999em} \\hspace{-9999em} x \\]")

    assert "9999" not in html


def test_aligned_equations_are_a_table():
    html = render_markdown("$$\n\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}\n$$")

    assert html.count("<mtr") == 2
    assert 'columnalign="right"' in html


def test_block_has_its_own_direction():
    assert '<p dir="auto">' in render_markdown("مرحبا")


def test_definition_of_a_link_counts_for_what_follows_it():
    before_and_after = "[a][x]\n\n[x]: https://a.example\n\n[b][x]"

    page = PageElements(render_markdown(before_and_after))

    assert page.addresses == ["https://a.example"]
    assert page.text == "[a][x]b a.example"


def test_empty_text_is_empty():
    assert render_markdown("") == ""
    assert render_markdown(" \n\n") == ""
