"""Asks the hub: a search, and one repository. Its answers are bounded and checked, its redirects
followed by nobody else. Used by web and worker, from any thread.

The endpoints are those of https://huggingface.co/docs/hub/api.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from models_app.hub.errors import (
    Gated,
    HubNonsense,
    HubOffline,
    HubUnreachable,
    NotFound,
)
from models_app.hub.http import client
from models_app.hub.reference import is_repository
from models_app.hub.repository import HubFile, Repository

MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_FILES = 10_000
MAX_FILE_BYTES = 4 * 1024**4
NUM_RESULTS = 30
T = TypeVar("T")
Sort = Literal["downloads", "likes", "lastModified", "trendingScore"]


class _Model(msgspec.Struct):
    """Each field as the hub may write it, or not at all."""

    id: str = ""
    sha: str = ""
    downloads: int = 0
    likes: int = 0
    lastModified: str = ""
    gated: bool | str = False
    private: bool = False
    tags: list[str] = []
    gguf: dict[str, Any] | None = None
    cardData: dict[str, Any] | None = None
    siblings: list[dict[str, Any]] = []


@dataclass(frozen=True)
class Hub:
    """How to reach it. `token` "": as nobody in particular. It goes to the endpoint's own host only."""

    endpoint: str
    token: str = ""
    is_offline: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).netloc

    def search(self, words: str, *, sort: Sort = "downloads") -> list[Repository]:
        """Repositories with GGUF files. Raises HubError."""
        params = {
            "search": words,
            "filter": "gguf",
            "sort": sort,
            "direction": "-1",
            "limit": str(NUM_RESULTS),
            "expand": ["downloads", "likes", "lastModified", "gated", "tags", "gguf"],
        }
        body = self._get("/api/models", params)
        found = [_repository(model) for model in _decoded(body, list[_Model])[:NUM_RESULTS]]
        return [one for one in found if is_repository(one.name)]

    def repository(self, name: str, *, revision: str = "") -> Repository:
        """With all its files. Raises HubError."""
        if not is_repository(name):
            raise NotFound("A repository is named like “owner/name”.")
        path = f"/api/models/{name}" + (f"/revision/{quote(revision, safe='')}" if revision else "")
        found = _repository(_decoded(self._get(path, {"blobs": "true"}), _Model))
        if found.name != name and found.name.casefold() != name.casefold():
            raise HubNonsense("The hub answered with another repository than the one asked for.")
        if not found.revision:
            raise HubNonsense("The hub did not say which version of the repository this is.")
        return found

    def address(self, repository: str, revision: str, file: str) -> str:
        """Where a file of a commit is asked for."""
        return f"{self.endpoint}/{repository}/resolve/{quote(revision, safe='')}/{quote(file)}"

    def headers_for(self, address: str) -> dict[str, str]:
        """The token, if the address is of the hub's own host and scheme."""
        own, other = urlsplit(self.endpoint), urlsplit(address)
        is_own = (own.scheme, own.netloc) == (other.scheme, other.netloc)
        return {"Authorization": f"Bearer {self.token}"} if self.token and is_own else {}

    def _get(self, path: str, params: dict[str, Any]) -> bytes:
        if self.is_offline:
            raise HubOffline("Minerva is set to work offline. Models can still be put in by hand.")
        address = self.endpoint + path
        with (
            _network_errors(self.host),
            client().stream(
                "GET",
                address,
                params=params,
                headers={**self.headers_for(address), "Accept-Encoding": "identity"},
            ) as response,
        ):
            if response.is_redirect:
                raise _moved(response.headers.get("Location", ""), self.host)
            check_status(response, self.host)
            return _bounded(response)


@contextmanager
def _network_errors(host: str) -> Iterator[None]:
    try:
        yield
    except httpx2.TimeoutException as error:
        raise HubUnreachable(f"{host} did not answer in time. Try again in a moment.") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise HubUnreachable(
            f"{host} cannot be reached. Check this machine's internet connection."
        ) from error


def check_status(response: httpx2.Response, host: str) -> None:
    """Raise the HubError that an answer other than a good one stands for."""
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    if status in (200, 206):
        return
    if status in (401, 403) and code not in ("RepoNotFound", "RevisionNotFound"):
        raise Gated(
            "This repository is only given to people who have accepted its terms. Accept them on its "
            "page at the hub, and give Minerva a token of that account."
        )
    if status in (401, 403, 404, 410):
        raise NotFound("The hub has no such repository or file, or hides it without a token.")
    if status == 429 or status >= 500:
        raise HubUnreachable(f"{host} is busy or broken (status {status}). Try again in a moment.")
    raise HubNonsense(f"{host} answered with status {status}, which makes no sense here.")


def _moved(location: str, host: str) -> NotFound | HubNonsense:
    """Repositories are renamed; the hub then names the address of the new one."""
    name = location.partition("/api/models/")[2].partition("?")[0].partition("/revision/")[0]
    if is_repository(name):
        return NotFound(f"This repository is called {name} now. Look for it by that name.")
    return HubNonsense(f"{host} sends elsewhere, which makes no sense here.")


def _bounded(response: httpx2.Response) -> bytes:
    body = bytearray()
    for part in response.iter_raw():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise HubNonsense("The hub's answer is larger than any honest one.")
    return bytes(body)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise HubNonsense("The hub's answer makes no sense. Try again later.") from error


def _repository(model: _Model) -> Repository:
    gguf = model.gguf or {}
    card = model.cardData or {}
    return Repository(
        name=model.id,
        revision=model.sha[:64] if model.sha.isalnum() else "",
        files=_files(model.siblings[:MAX_FILES]),
        license=_text(card.get("license")) or _tagged(model.tags, "license:"),
        is_gated=bool(model.gated),
        is_private=model.private,
        architecture=_text(gguf.get("architecture")),
        num_parameters=_count(gguf.get("total")),
        context_length=_count(gguf.get("context_length")),
        has_chat_template=bool(gguf.get("chat_template")),
        tags=tuple(_text(tag) for tag in model.tags[:100]),
        downloads=_count(model.downloads),
        likes=_count(model.likes),
        modified=model.lastModified[:10],
    )


def _files(siblings: list[dict[str, Any]]) -> tuple[HubFile, ...]:
    files = (_file(one) for one in siblings)
    return tuple(file for file in files if file is not None)


def _file(sibling: dict[str, Any]) -> HubFile | None:
    name, lfs = sibling.get("rfilename"), sibling.get("lfs")
    lfs = lfs if isinstance(lfs, dict) else {}
    size = _count(lfs.get("size") or sibling.get("size"))
    if not isinstance(name, str) or not 0 < size <= MAX_FILE_BYTES:
        return None
    return HubFile(name, size, _checksum(lfs.get("sha256"), sibling.get("blobId")))


def _checksum(sha256: object, blob: object) -> str:
    if isinstance(sha256, str) and len(sha256) == 64:
        return f"sha256:{sha256.lower()}"
    return f"git-sha1:{blob.lower()}" if isinstance(blob, str) and len(blob) == 40 else ""


def _tagged(tags: list[str], prefix: str) -> str:
    return next((_text(tag.removeprefix(prefix)) for tag in tags if tag.startswith(prefix)), "")


def _text(value: object) -> str:
    """One printable line, whatever was sent."""
    text = value if isinstance(value, str) else ""
    return "".join(letter for letter in text[:200] if letter.isprintable())


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**62 else 0
