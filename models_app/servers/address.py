"""The address of a server as a person types it: with or without `/v1`, or copied from a program's settings."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from inference.remote.addresses import checked_base_url

VERSION = "/v1"
# What follows the address in what people copy.
TAILS = ("/completions", "/models", "/embeddings", "/responses")


def candidates(text: str) -> list[str]:
    """What may be the right base address, the likeliest first. Raises InvalidRequest."""
    parts = urlsplit(checked_base_url(text))
    path = parts.path
    for tail in TAILS:
        path = path.removesuffix(tail)
    path = path.rstrip("/")
    other = path.removesuffix(VERSION) if path.endswith(VERSION) else path + VERSION
    paths = [path, other] if path.endswith(VERSION) else [other, path]
    return [urlunsplit((parts.scheme, parts.netloc.lower(), one, "", "")) for one in paths]


def is_same_origin(one: str, other: str) -> bool:
    """Whether a key that was given for the one may go to the other."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]


def host_of(address: str) -> str:
    """With its port."""
    return urlsplit(address).netloc
