"""The Markdown that Minerva understands: CommonMark, tables, strikethrough, tasks, formulas.

Raw HTML is text. Nothing here makes HTML safe; `sanitise.py` does, after everything else.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import table
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from rendering.highlight import highlighted, language_of
from rendering.links import host_of, href_of, is_allowed, link_rule
from rendering.maths import formula, maths_plugin, source_of_formula

MAX_INLINE_TEXT = 64 * 1024
MAX_NESTING = 30
MAX_NODES = 20_000
MAX_ADDED_CELLS = 2_000  # to rows that are too short: 2 KiB of text could become 65,000 cells
MAX_BRACKETS = 4_000  # of one paragraph: each may begin a link, and is followed to its end
_TASK = re.compile(r"\[([ xX])\][ \t]+(?=\S)")
_ALIGNMENT = re.compile(r"text-align:(left|center|right)")


class TooMuchMarkup(ValueError):
    """The text would cost too much to format; it is shown as plain text."""


@lru_cache(maxsize=1)
def markdown() -> MarkdownIt:
    """One parser for all threads: parsing keeps its state in the environment it is given."""
    md = MarkdownIt(
        "commonmark",
        {"html": False, "xhtmlOut": False, "maxNesting": 100},
        renderer_cls=AnswerRenderer,
    )
    table.__globals__["MAX_AUTOCOMPLETED_CELLS"] = MAX_ADDED_CELLS
    md.enable(["table", "strikethrough"])
    md.use(maths_plugin)
    md.validateLink = is_allowed  # type: ignore[method-assign, assignment]
    md.core.ruler.after("block", "limits", _limit_rule)
    md.core.ruler.after("inline", "links", link_rule)
    md.core.ruler.push("answer", _answer_rule)
    return md


def _limit_rule(state: StateCore) -> None:
    """Runs between the cheap half of parsing and the expensive one."""
    inline = [token.content for token in state.tokens if token.type == "inline"]
    deepest = max((token.level for token in state.tokens), default=0)
    brackets = max((text.count("[") for text in inline), default=0)
    if (
        sum(map(len, inline)) > MAX_INLINE_TEXT
        or len(state.tokens) > 2 * MAX_NODES
        or deepest > MAX_NESTING
        or brackets > MAX_BRACKETS
    ):
        raise TooMuchMarkup


def _answer_rule(state: StateCore) -> None:
    for index, token in enumerate(state.tokens):
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 3, 6)}"
        elif token.type in {"th_open", "td_open"}:
            _use_align(token)
        elif token.type == "list_item_open":
            _mark_task(state.tokens, index)
        if token.nesting == 1 and (token.level == 0 or token.tag in {"th", "td"}):
            token.attrSet("dir", "auto")


def _use_align(token: Token) -> None:
    style = _ALIGNMENT.match(str(token.attrs.pop("style", "")))
    if style:
        token.attrSet("align", style[1])


def _mark_task(tokens: list[Token], index: int) -> None:
    """`- [x] text`: the mark becomes a box, drawn where the paragraph starts."""
    if index + 2 >= len(tokens) or tokens[index + 1].type != "paragraph_open":
        return
    children = tokens[index + 2].children or []
    match = _TASK.match(children[0].content) if children and children[0].type == "text" else None
    if match:
        children[0].content = children[0].content[match.end() :]
        done = match[1] != " "
        children.insert(0, Token("task", "span", 0, meta={"done": done}))


class AnswerRenderer(RendererHTML):
    """HTML of the tokens; only names, classes and structure that `sanitise.py` lets through."""

    def fence(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        token = tokens[idx]
        return _code_block(token.content, language_of(token.info), env)

    def code_block(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return _code_block(tokens[idx].content, "", env)

    def math_block(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        token = tokens[idx]
        render = source_of_formula if token.meta["open"] else formula
        return f'<div class="math-block">{render(token.content, display=True)}</div>'

    def math_inline(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return formula(tokens[idx].content, display=tokens[idx].meta["display"])

    def task(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return f'<span class="{"task-done" if tokens[idx].meta["done"] else "task-open"}"></span>'

    def image(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        """Never loaded: a link to it, or only its description inside another link."""
        token = tokens[idx]
        address = str(token.attrs["src"])
        description = self.renderInlineAsText(token.children, options, env)
        label = escapeHtml(f"image: {description}".strip() if description else "image:")
        if token.meta.get("linked"):
            return label
        host = f'<span class="link-host"> {escapeHtml(host_of(address) or "")}</span>'
        return f'<a href="{escapeHtml(href_of(address))}">{label}{host}</a>'

    def link_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return f'<a href="{escapeHtml(href_of(str(tokens[idx].attrs["href"])))}">'

    def link_close(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        host = tokens[idx].meta.get("host")
        return f'<span class="link-host"> {escapeHtml(host)}</span></a>' if host else "</a>"


def _code_block(code: str, language: str, env: MutableMapping[str, Any]) -> str:
    inside = highlighted(code, language) if env.get("highlight") else None
    if inside is None:
        env["highlight"] = False
        inside = escapeHtml(code)
    kind = f' class="language-{escapeHtml(language)}"' if language else ""
    return f"<pre><code{kind}>{inside}</code></pre>"
