"""Strategies for texts as language models write them, and for the ways in which they arrive."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

WORDS = st.sampled_from(
    [
        "plain words",
        "**bold** and *italic*",
        "`code <b>` inline",
        "~~gone~~",
        "[text](https://example.com/a?b=c&d=e)",
        "[ref][one] and [two]",
        "![picture](https://images.example/cat.png)",
        "<https://auto.example>",
        "see https://bare.example/path_(x).",
        "[bad](javascript:alert(1))",
        "<b onclick=alert(1)>html</b>",
        "costs $5 or $6",
        "$a_1 + b^2$",
        "\\(x \\le y\\)",
        "\\[ \\frac{a}{b} \\]",
        "$$x$$",
        "emoji 👩‍👩‍👧 ✅ 🇱🇻",
        "مرحبا עולם",
        "ends in a hard break  ",
        "ends in a backslash\\",
        "1986. A great year",
        "a | b",
        "*unclosed **bold",
        "&amp; &lt;entity&#1;",
        "",
        "# not only here",
    ]
)
LINES = st.sampled_from(
    [
        *("- item", "* other item", "+ third", "-", "  - nested", "    - deeper", "\t- tabbed"),
        *("1. first", "2) second", "10. tenth", "   continued", "- [ ] open", "- [x] done"),
        *("- - twice", "- > quoted", "> quote", ">", "> - list in quote", "> > nested quote"),
        *("# heading", "###### small", "#", "===", "---", "- - -", "***", "____"),
        *("```", "```python", "~~~", "````", "``` js title", "   ```", "- ```", "  ```"),
        *("    indented code", "\tindented code", "> ```", "    ", "def f(): return '<a>'"),
        *("| a | b |", "|---|:-:|", "| 1 | `x|y` |", "a | b", "--|--", "-|"),
        *("$$", "\\[", "\\]", "x + y", "+ y = 2", "$$ x $$", "\\[ x \\]", "  \\[", "  $$", "$$ a"),
        *("[one]: https://one.example", "[two]: <https://two.example>", "[one]:", "'title'"),
        *(
            '[two]: /x "title',
            'more title"',
            "[odd\nlabel]: https://odd.example",
            "<div>",
            "</div>",
        ),
        *("<!-- comment -->", "<script>alert(1)</script>", "\u202eright to left", "\x00\x0b\x1f"),
    ]
)
BLOCKS = st.one_of(WORDS, LINES, st.tuples(LINES, WORDS).map(" ".join))
LINE_ENDS = st.sampled_from(["\n", "\n", "\n", "\n\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\n \n"])


@st.composite
def markdown_texts(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.tuples(BLOCKS, LINE_ENDS), max_size=14))
    return "".join(block + end for block, end in pieces)


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text and the pieces in which it arrives."""
    text = draw(markdown_texts())
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=12))
    edges = [0, *sorted(cuts), len(text)]
    return text, [text[start:end] for start, end in pairwise(edges)]
