"""Markdown of models and people to HTML that cannot act, whole or while it streams.

`render_markdown` and `StreamRenderer` share every step, so the blocks of a stream put together are
byte for byte the rendering of the whole text, however the text was cut. Knows nothing of messages,
sockets or templates.
"""

from __future__ import annotations

from rendering.sanitise import joined
from rendering.stream import Rendered, StreamRenderer, render_markdown

__all__ = ["Rendered", "StreamRenderer", "joined", "render_markdown"]
