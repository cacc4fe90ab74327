"""How much the web server takes from anybody, checked on what arrives."""

from __future__ import annotations

KIB = 1024

BODY_LIMIT = 256 * KIB
PROMPT_BODY_LIMIT = 1024 * KIB
UPLOAD_BODY_LIMIT = 1024 * KIB
# What the inference service takes at once.
API_BODY_LIMIT = 4096 * KIB
MAX_HEADER_COUNT = 64
MAX_HEADER_BYTES = 16 * KIB
MAX_CONNECTIONS = 1024
MAX_CONNECTIONS_OF_ADDRESS = 64
WEBSOCKET_MESSAGE_LIMIT = 64 * KIB

FIRST_BYTE_SECONDS = 60
API_FIRST_BYTE_SECONDS = 1800
DISCARD_LIMIT = 1024 * KIB
# Programs send all of a body before they look: those that send far too much get to read so.
API_DISCARD_LIMIT = 40 * 1024 * KIB
DISCARD_SECONDS = 2
MAX_UNSENT_BYTES = 8192 * KIB
STUCK_SECONDS = 30
SHUTDOWN_SECONDS = 2
WATCHDOG_SECONDS = 3.5

SERVICE_RESTART = 1012
"""The websocket close code on which a page connects again."""


API_PATHS = (b"/v1/", b"/tokenize", b"/detokenize")


def first_byte_seconds(path: bytes) -> float:
    """How long an answer may take to begin: a program may wait for one that is whole."""
    return API_FIRST_BYTE_SECONDS if path.startswith(API_PATHS) else FIRST_BYTE_SECONDS


def discard_limit(path: bytes) -> int:
    """Bytes that are read and thrown away after a refusal."""
    return API_DISCARD_LIMIT if path.startswith(API_PATHS) else DISCARD_LIMIT


def body_limit(path: bytes) -> int:
    """Bytes a request to `path` may carry: where prompts and pieces of files go, more than elsewhere."""
    if path.startswith(API_PATHS):
        return API_BODY_LIMIT
    if path.startswith(b"/models/uploads/"):
        return UPLOAD_BODY_LIMIT
    return PROMPT_BODY_LIMIT if path.startswith(b"/c/") else BODY_LIMIT
