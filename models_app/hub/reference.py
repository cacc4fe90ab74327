"""What a person types or pastes to name a model: words, `user/repo`, `user/repo:QUANT` or an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

MAX_LENGTH = 300
# What the hub allows; a name of a folder must also be one on every system.
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?"
REPOSITORY = re.compile(rf"(?P<owner>{NAME})/(?P<name>{NAME})")
QUANT = re.compile(r"[A-Za-z0-9_.-]{1,40}")
HOSTS = frozenset(("huggingface.co", "www.huggingface.co", "hf.co"))


@dataclass(frozen=True)
class Reference:
    """`repository` "": only `words` to search for. `quant` "": none was named. `file` of an address."""

    words: str = ""
    repository: str = ""
    quant: str = ""
    file: str = ""


def parse_reference(text: str, *, hub_host: str = "huggingface.co") -> Reference:
    """Never fails: what names no repository is words."""
    text = " ".join(text.split())[:MAX_LENGTH]
    if "://" in text or text.split("/")[0].lower() in HOSTS | {hub_host}:
        return _from_address(text, hub_host) or Reference(words=text)
    path, _, quant = text.partition(":")
    if is_repository(path) and (not quant or QUANT.fullmatch(quant)):
        return Reference(repository=path, quant=quant)
    return Reference(words=text)


def is_repository(text: str) -> bool:
    """Safe as a path below a folder, too: two names, neither of dots nor with one at its end."""
    return bool(REPOSITORY.fullmatch(text)) and ".." not in text and "--" not in text


def _from_address(text: str, hub_host: str) -> Reference | None:
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:  # a bracket without its other half
        return None
    if {(parts.hostname or "").lower(), parts.netloc.lower()}.isdisjoint(HOSTS | {hub_host}):
        return None
    owner, name, *rest = [*unquote(parts.path).strip("/").split("/"), "", ""][:64]
    name, _, quant = name.partition(":")
    if not is_repository(f"{owner}/{name}"):
        return None
    rest = [part for part in rest if part]
    file = "/".join(rest[2:]) if rest[:1] in (["blob"], ["resolve"]) else ""
    return Reference(repository=f"{owner}/{name}", quant=quant, file=file)
