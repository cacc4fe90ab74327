"""What a request gets that was refused before the application saw it. The page brings its style along: at an address that is refused
nothing else would come, no style sheet and no picture. The style's hash lets it in, and nothing else."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html import escape

# Colours, sizes and the mark as in static/css/tokens.css and templates/components/_mark.html.
STYLE = """
:root { color-scheme: light dark; }
body {
  max-width: 26rem; margin: 12vh auto 0; padding: 0 1rem;
  background: light-dark(oklch(0.985 0.004 90), oklch(0.185 0.012 260));
  color: light-dark(oklch(0.25 0.02 260), oklch(0.93 0.008 90));
  font: 0.9375rem/1.45 ui-sans-serif, system-ui, sans-serif; overflow-wrap: anywhere;
}
svg { display: block; width: 3rem; margin: 0 auto 1.5rem;
  color: light-dark(oklch(0.5 0.1 195), oklch(0.78 0.1 190)); }
main { padding: 1.5rem; border-radius: 10px;
  border: 1px solid light-dark(oklch(0.9 0.008 90), oklch(0.31 0.014 260));
  background: light-dark(oklch(1 0 0), oklch(0.225 0.014 260)); }
h1 { margin: 0 0 1rem; font-size: 1.375rem; line-height: 1.25; }
p { margin: 0; color: light-dark(oklch(0.48 0.02 260), oklch(0.7 0.012 260)); }
"""
MARK = (
    '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.6" aria-hidden="true">'
    '<circle cx="6.75" cy="10" r="5.25"/><circle cx="17.25" cy="10" r="5.25"/>'
    '<g fill="currentColor"><path d="M12 15.25l1.5 1.5-1.5 3-1.5-3z"/>'
    '<circle cx="6.75" cy="10" r="2"/><circle cx="17.25" cy="10" r="2"/></g></svg>'
)
_HASH = b64encode(sha256(STYLE.encode()).digest())
CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; style-src 'sha256-" + _HASH + b"'; frame-ancestors 'none'"
)


def api_error_of(sentence: str, kind: str) -> bytes:
    """For a program: the shapes of both APIs in one."""
    error = {"type": kind, "message": sentence, "code": kind}
    return json.dumps({"type": "error", "error": error}).encode()


def page_of(title: str, sentence: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Minerva</title><style>{STYLE}</style>"
        f"{MARK}<main><h1>{escape(title)}</h1><p>{escape(sentence)}</p></main></html>\n"
    ).encode()
