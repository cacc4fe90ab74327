"""The last step of rendering and the only place that calls HTML safe.

1. nh3 keeps an allow-list of elements, attributes and classes. What it lets through cannot act:
   no image, form, style, script, id, event, or attribute that htmx reads.
2. Then our own furniture is put around code blocks and tables: constant text, chosen by tags that
   nh3 wrote. nh3 escapes "<" in text and in attributes, so a tag in its output is a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from html import escape

import nh3
from django.utils.safestring import SafeString, mark_safe

from rendering.highlight import label_of, span_classes
from rendering.links import OWN_HOST, OWN_PAGES

_BLOCKS = {"p", "h4", "h5", "h6", "blockquote", "ul", "ol", "table", "th", "td", "pre", "div"}
_TEXT = {"br", "hr", "em", "strong", "s", "code", "li", "thead", "tbody", "tr", "a", "span"}
_MATHML = {
    *("math", "maction", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded"),
    *("mphantom", "mprescripts", "mroot", "mrow", "ms", "mspace", "msqrt", "mstyle", "msub"),
    *("msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover", "menclose"),
}
_BOOLEAN = {"true", "false"}
_BRACKETS = {"1.2em", "1.623em", "2.047em", "2.470em"}
_SIDES = {"left", "center", "right"}
_MATHML_VALUES = {
    "math": {"display": {"block", "inline"}},
    "mo": {
        **dict.fromkeys(("stretchy", "fence", "largeop", "movablelimits", "symmetric"), _BOOLEAN),
        **dict.fromkeys(("accent", "separator"), _BOOLEAN),
        "form": {"prefix", "infix", "postfix"},
        "minsize": _BRACKETS,
        "maxsize": _BRACKETS,
    },
    "mover": {"accent": _BOOLEAN},
    "munder": {"accentunder": _BOOLEAN},
    "mi": {"mathvariant": {"normal"}},
    "mfrac": {"linethickness": {"0"}},
    "mstyle": {"displaystyle": _BOOLEAN, "scriptlevel": {"0", "1", "2"}},
    "mspace": {
        "width": {
            *("0.167em", "0.2222em", "0.222em", "0.2778em", "0.278em", "0.333em", "0.5em"),
            *("1em", "2em", "-0.167em", "-0.222em", "-0.278em"),
        }
    },
    "mtd": {"columnalign": _SIDES},
    "mtable": {"displaystyle": _BOOLEAN},
    "menclose": {"notation": {"box"}},
}
_DIRECTION = {"dir": {"auto"}}
_VALUES = {
    **dict.fromkeys(("p", "h4", "h5", "h6", "blockquote", "ul", "ol", "table"), _DIRECTION),
    **dict.fromkeys(("th", "td"), _DIRECTION | {"align": _SIDES}),
    **_MATHML_VALUES,
}
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "code": {"class"}}

_LANGUAGE = re.compile(r"language-([a-z0-9+#._-]{1,32})")
_OWN_PAGE = re.compile(rf'<a href="{re.escape(OWN_HOST)}({"|".join(OWN_PAGES)})"[^>]*>')
_CODE_BLOCK = re.compile(r'<pre><code(?: class="([^"]*)")?>')
_CODE_CLASS = re.compile(r'<code class="([^"]*)">')
_START = re.compile(r'<ol([^>]*) start="([^"]*)"')

_COPY_ICON = (
    '<svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" '
    'stroke-width="1.5" aria-hidden="true"><rect x="8" y="8" width="12" height="12" rx="2"></rect>'
    '<path d="M16 8V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h2"></path></svg>'
)
_CODE_HEAD = (
    '<div class="code-block"><div class="code-header"><span class="code-language">{label}</span>'
    '<button class="icon-button copy-code" type="button" aria-label="Copy code" title="Copy code">'
    + _COPY_ICON
    + '</button></div><pre dir="ltr" tabindex="0" role="group" aria-label="{label}"><code{kind}>'
)
_FURNITURE = (
    ("</code></pre>", "</code></pre></div>"),
    ('<span class="task-done">', '<span class="task-box task-done" role="img" aria-label="Done">'),
    ('<span class="task-open">', '<span class="task-box" role="img" aria-label="Not done">'),
    ("<table", '<div class="table-scroll" tabindex="0" role="group" aria-label="Table"><table'),
    ("</table>", "</table></div>"),
)


def sanitise(html: str) -> SafeString:
    """`html` may be anything; what comes back cannot act and is stable when parsed again."""
    return mark_safe(_furnished(_cleaner().clean(html)))  # noqa: S308


def joined(parts: Iterable[SafeString]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308


@lru_cache(maxsize=1)
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_BLOCKS | _TEXT | _MATHML,
        attributes=_ATTRIBUTES,
        tag_attribute_values=_VALUES,
        allowed_classes={
            "span": {"link-host", "task-done", "task-open", "math-source", "math-source-block"}
            | set(span_classes()),
            "div": {"math-block"},
            "pre": {"plain"},
            "p": {"plain-notice"},
        },
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow ugc",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _furnished(html: str) -> str:
    html = _START.sub(_plain_start, html)
    html = _OWN_PAGE.sub(r'<a href="\1">', html)
    html = _CODE_BLOCK.sub(_code_head, html)
    html = _CODE_CLASS.sub(_known_class, html)
    for tag, replacement in _FURNITURE:
        html = html.replace(tag, replacement)
    return html.strip()


def _code_head(match: re.Match[str]) -> str:
    language = _LANGUAGE.fullmatch(match[1] or "")
    kind = f' class="language-{language[1]}"' if language else ""
    return _CODE_HEAD.format(label=escape(label_of(language[1] if language else "")), kind=kind)


def _known_class(match: re.Match[str]) -> str:
    return match[0] if _LANGUAGE.fullmatch(match[1]) else "<code>"


def _plain_start(match: re.Match[str]) -> str:
    return match[0] if re.fullmatch(r"\d{1,9}", match[2]) else f"<ol{match[1]}"
