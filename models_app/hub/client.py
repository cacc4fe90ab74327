"""Asks the hub: a search, and one repository. Its answers are bounded and checked, its redirects
followed by nobody else. Used by web and worker, from any thread.

The endpoints are those of https://huggingface.co/docs/hub/api.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from models_app.hub.answers import Model, decoded, repository_of
from models_app.hub.errors import (
    Gated,
    HubNonsense,
    HubOffline,
    HubUnreachable,
    NotFound,
)
from models_app.hub.http import client
from models_app.hub.reference import is_repository
from models_app.hub.repository import Repository
from models_app.hub.search import Search

MAX_ANSWER_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Hub:
    """How to reach it. `token` "": as nobody in particular. It goes to the endpoint's own host only."""

    endpoint: str
    token: str = ""
    is_offline: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).netloc

    def search(self, search: Search) -> list[Repository]:
        """Repositories with models of a format, in the order that was asked for. Raises HubError."""
        found: dict[str, Repository] = {}
        for params in search.requests():
            models = decoded(self._get("/api/models", params), list[Model])
            several = (repository_of(model) for model in models[: search.num_looked_at])
            found |= {one.name: one for one in several if is_repository(one.name)}
        fitting = search.sorted(one for one in found.values() if search.takes(one))
        return fitting[: search.num_asked]

    def repository(self, name: str, *, revision: str = "") -> Repository:
        """With all its files. Raises HubError."""
        if not is_repository(name):
            raise NotFound("A repository is named like “owner/name”.")
        path = f"/api/models/{name}" + (f"/revision/{quote(revision, safe='')}" if revision else "")
        found = repository_of(decoded(self._get(path, {"blobs": "true"}), Model))
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
