"""TeX between `$…$`, `$$…$$`, `\\(…\\)` and `\\[…\\]`: where it is, and MathML for it.

Rules of our own because a stream must be able to trust them: a display formula at the start of a
line takes lines until its closing mark, and a blank line before that means that it was none. No
rule looks past a blank line, so a finished block never changes.
"""

from __future__ import annotations

import re
from html import unescape
from xml.etree.ElementTree import Element

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

MAX_TEX_LENGTH = 4096
MAX_TEX_DEPTH = 40
# Environments that the converter does not know, by one that it draws alike.
_ALIKE = {"aligned": "align*", "alignat*": "align*", "gathered": "matrix", "gather": "matrix"}
_ALIKE |= {"gather*": "matrix", "equation*": "equation", "multline": "matrix"}
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([a-z]+\*?)\}")
_CLOSING = {"$$": "$$", "\\[": "\\]"}
_MACRO = re.compile(r"\\(?:re)?newcommand|\\def|\\let|\\require|\\DeclareMathOperator")


def maths_plugin(md: MarkdownIt) -> None:
    interrupts = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    md.block.ruler.before("fence", "math_block", math_block, interrupts)  # type: ignore[arg-type]
    md.inline.ruler.before("escape", "math_brackets", math_brackets)
    md.inline.ruler.before("escape", "math_dollars", math_dollars)


def math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """In a growing text, a formula that is open at its end is a block with `meta["open"]`."""
    first = _line(state, start)
    closing = _CLOSING.get(first[:2])
    if closing is None or state.is_code_block(start):
        return False
    last = _last_line(state, start, end, closing)
    if last is None:
        return False
    if not silent:
        _push_block(state, start, min(last, end - 1), is_open=last >= end)
    return True


def _last_line(state: StateBlock, start: int, end: int, closing: str) -> int | None:
    """The line that ends with the closing mark; `end` while it may still come; None if never."""
    for line in range(start, end):
        text = _line(state, line)
        if not text or (line > start and _is_outside(state, line, text)):
            return None
        found = text.find(closing, 2 if line == start else 0)
        if found >= 0:
            ends = found == len(text) - 2 and (line > start or len(text) > 4)
            return line if ends else None
    may_come = state.env.get("growing") and end == state.lineMax and state.level == 0
    return end if may_come else None


def _is_outside(state: StateBlock, line: int, text: str) -> bool:
    """Formulas do not nest; and without this, many openings would each search the same lines."""
    return text.startswith("\\[") or state.sCount[line] < state.blkIndent


def _line(state: StateBlock, line: int) -> str:
    start = state.bMarks[line] + state.tShift[line]
    return state.src[start : state.eMarks[line]].rstrip()


def _push_block(state: StateBlock, start: int, last: int, *, is_open: bool) -> None:
    lines = [_line(state, line) for line in range(start, last + 1)]
    token = state.push("math_block", "math", 0)
    token.markup = lines[0][:2]
    token.content = "\n".join(lines)
    token.map = [start, last + 1]
    token.block = True
    token.meta = {"open": is_open}
    state.line = last + 1


def math_brackets(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening not in {"\\(", "\\["}:
        return False
    closing = "\\)" if opening == "\\(" else "\\]"
    start = state.pos + 2
    end = state.src.find(closing, start, min(state.posMax, start + MAX_TEX_LENGTH))
    if end < 0 or not state.src[start:end].strip():
        return False
    return _push_inline(state, end + 2, silent, display=opening == "\\[")


def math_dollars(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "$":
        return False
    if state.src.startswith("$$", state.pos):
        return _double_dollars(state, silent)
    end = _closing_dollar(state, state.pos + 1)
    return end > 0 and _push_inline(state, end + 1, silent, display=False)


def _double_dollars(state: StateInline, silent: bool) -> bool:
    start = state.pos + 2
    end = state.src.find("$$", start, min(state.posMax, start + MAX_TEX_LENGTH))
    if end < 0 or not state.src[start:end].strip():
        return False
    return _push_inline(state, end + 2, silent, display=True)


def _closing_dollar(state: StateInline, start: int) -> int:
    """Prices are not formulas: no space inside the marks, no letter or digit around them."""
    before = state.src[state.pos - 1] if state.pos else ""
    if before.isalnum() or before == "$" or state.src[start : start + 1].isspace():
        return -1
    limit = min(state.posMax, start + MAX_TEX_LENGTH)
    end = state.src.find("$", start, limit)
    while end > 0 and state.src[end - 1] == "\\":
        end = state.src.find("$", end + 1, limit)
    if end <= start or state.src[end - 1].isspace() or state.src[end + 1 : end + 2].isalnum():
        return -1
    return end


def _push_inline(state: StateInline, end: int, silent: bool, *, display: bool) -> bool:
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content = state.src[state.pos : end]
        token.meta = {"display": display}
    state.pos = end
    return True


def formula(source: str, *, display: bool) -> str:
    """MathML of `source` (marks included), or the source itself if it cannot be converted."""
    marks = 1 if source.startswith("$") and not source.startswith("$$") else 2
    tex = source[marks:-marks].strip()
    element = _to_element(tex, display=display) if _is_acceptable(tex) else None
    if element is None:
        return source_of_formula(source, display=display)
    return _serialise(element)


def source_of_formula(source: str, *, display: bool) -> str:
    kind = "math-source-block" if display else "math-source"
    return f'<span class="{kind}">{escapeHtml(source)}</span>'


def _is_acceptable(tex: str) -> bool:
    if not tex or len(tex) > MAX_TEX_LENGTH or _MACRO.search(tex):
        return False
    depth = deepest = 0
    for character in tex:
        depth += (character in "{[(^_") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest <= MAX_TEX_DEPTH


def _to_element(tex: str, *, display: bool) -> Element | None:
    """The converter raises errors of its own and, on odd input, nearly any built-in one."""
    from latex2mathml.converter import Converter

    try:
        converter = Converter(display="block" if display else "inline")
        element: Element = converter.convert_to_element(_with_known_environments(tex))
    except Exception:  # hostile input to a third-party parser; the source is shown instead
        return None
    return element if _is_understood(element) else None


def _is_understood(element: Element) -> bool:
    """The converter passes commands that it does not know, and stray marks of cells, as letters."""
    letters = (each.text or "" for each in element.iter() if each.tag != "mtext")
    return not any(text.startswith(("\\", "&amp;")) or text == "&" for text in letters)


def _with_known_environments(tex: str) -> str:
    def known(match: re.Match[str]) -> str:
        return f"\\{match[1]}{{{_ALIKE.get(match[2], match[2])}}}"

    return _ENVIRONMENT.sub(known, tex)


def _serialise(element: Element) -> str:
    """Texts of the converter hold character references; they are resolved, then escaped."""
    attributes = "".join(f' {name}="{escapeHtml(value)}"' for name, value in element.items())
    inside = escapeHtml(unescape(element.text or "")) + "".join(map(_serialise, element))
    return f"<{element.tag}{attributes}>{inside}</{element.tag}>"
