"""How much the web server takes from anybody, checked on what arrives."""

from __future__ import annotations

KIB = 1024

BODY_LIMIT = 256 * KIB
PROMPT_BODY_LIMIT = 1024 * KIB
UPLOAD_BODY_LIMIT = 1024 * KIB
MAX_HEADER_COUNT = 64
MAX_HEADER_BYTES = 16 * KIB
MAX_CONNECTIONS = 1024
MAX_CONNECTIONS_OF_ADDRESS = 64
WEBSOCKET_MESSAGE_LIMIT = 64 * KIB

FIRST_BYTE_SECONDS = 60
DISCARD_LIMIT = 1024 * KIB
DISCARD_SECONDS = 2
SHUTDOWN_SECONDS = 2
WATCHDOG_SECONDS = 3.5

SERVICE_RESTART = 1012
"""The websocket close code on which a page connects again."""


def body_limit(path: bytes) -> int:
    """Bytes a request to `path` may carry: where prompts and pieces of files go, more than elsewhere."""
    if path.startswith(b"/models/uploads/"):
        return UPLOAD_BODY_LIMIT
    return PROMPT_BODY_LIMIT if path.startswith(b"/c/") else BODY_LIMIT
