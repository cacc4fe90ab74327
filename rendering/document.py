"""Renders the blocks of one text in order, within limits that hold for the whole text."""

from __future__ import annotations

from typing import Any

from django.utils.safestring import SafeString
from markdown_it.common.utils import escapeHtml

from rendering.parser import MAX_NODES, TooMuchMarkup, markdown
from rendering.sanitise import sanitise

MAX_SOURCE = 1024 * 1024
_NOTICE = '<p class="plain-notice">Too long to format. Shown as plain text from here on.</p>'
_NOTICE_BLOCK = '<p class="plain-notice">This part is too large to format. Shown as plain text.</p>'


class Document:
    """Definitions of links are known to the block that holds them and to those after it."""

    def __init__(self) -> None:
        self._references: dict[str, Any] = {}
        self._source_left = MAX_SOURCE
        self._nodes_left = MAX_NODES
        self._exhausted = False
        self._in_colour = True

    def render(self, source: str) -> SafeString:
        """The next final block; empty for one that shows nothing."""
        if self._exhausted:
            return sanitise(_plain(source))
        self._source_left -= len(source)
        if self._source_left < 0:
            return self._give_up(source)
        html = self._coloured(source)
        if html is None:
            return sanitise(_NOTICE_BLOCK + _plain(source))
        self._nodes_left -= _nodes(html)
        return html if self._nodes_left >= 0 else self._give_up(source)

    def preview(self, source: str) -> SafeString:
        """The open rest as it looks now; changes nothing."""
        html = None
        if not self._exhausted and len(source) <= self._source_left:
            html = _formatted(source, {"references": dict(self._references), "growing": True})
        return sanitise(_plain(source)) if html is None else html

    def _give_up(self, source: str) -> SafeString:
        self._exhausted = True
        return sanitise(_NOTICE + _plain(source))

    def _coloured(self, source: str) -> SafeString | None:
        """Without colours if these would be too many nodes, or have taken too long before."""
        env = {"references": self._references, "highlight": self._in_colour}
        html = _formatted(source, env)
        if html is not None and self._in_colour and _nodes(html) > self._nodes_left:
            return _formatted(source, {"references": self._references})
        self._in_colour = bool(env["highlight"])
        return html


def _formatted(source: str, env: dict[str, Any]) -> SafeString | None:
    """None if it cannot be formatted. Sets `env["highlight"]` to False if that took too long."""
    try:
        return sanitise(markdown().render(source, env))
    except TooMuchMarkup:
        return None


def _nodes(html: str) -> int:
    return html.count("<") - html.count("</")


def _plain(source: str) -> str:
    return f'<pre class="plain">{escapeHtml(source)}</pre>' if source.strip() else ""
