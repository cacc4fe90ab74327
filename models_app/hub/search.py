"""What is looked for at the hub, as the page's address says it: words, filters and an order.

The hub is asked to filter, and what it answers is filtered once more: a mirror may know less than it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from models_app.hub.repository import Repository

PAGE = 30
MOST = 120
BILLION = 10**9
FIELDS = (
    *("downloads", "likes", "trendingScore", "lastModified", "createdAt"),
    *("gated", "tags", "pipeline_tag", "gguf", "safetensors", "config"),
)
E = TypeVar("E", bound=StrEnum)


class Format(StrEnum):
    GGUF = "gguf"
    MLX = "mlx"


class Size(StrEnum):
    """By the number of parameters. FITS: what this machine can hold, with four bits a weight."""

    ANY = ""
    FITS = "fits"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    HUGE = "huge"


class Sort(StrEnum):
    DOWNLOADS = "downloads"
    TRENDING = "trending"
    LIKES = "likes"
    NEWEST = "newest"


class Task(StrEnum):
    """Those that the hub can filter by."""

    ANY = ""
    VISION = "vision"
    EMBEDDINGS = "embeddings"


BOUNDS = {
    Size.SMALL: (0, 4 * BILLION),
    Size.MEDIUM: (4 * BILLION, 10 * BILLION),
    Size.LARGE: (10 * BILLION, 40 * BILLION),
    Size.HUGE: (40 * BILLION, 0),
}
HUB_TASKS = {
    Task.ANY: ("",),
    Task.VISION: ("image-text-to-text",),
    Task.EMBEDDINGS: ("sentence-similarity", "feature-extraction"),
}
HUB_SORTS = {
    Sort.DOWNLOADS: "downloads",
    Sort.TRENDING: "trendingScore",
    Sort.LIKES: "likes",
    Sort.NEWEST: "createdAt",
}
KEYS: dict[Sort, Callable[[Repository], Any]] = {
    Sort.DOWNLOADS: lambda one: one.downloads,
    Sort.TRENDING: lambda one: one.trending,
    Sort.LIKES: lambda one: one.likes,
    Sort.NEWEST: lambda one: one.created,
}


@dataclass(frozen=True)
class Search:
    """`most_parameters` 0: no bound, or not known; it is what Size.FITS stands for here."""

    words: str = ""
    format: Format = Format.GGUF
    size: Size = Size.ANY
    task: Task = Task.ANY
    sort: Sort = Sort.DOWNLOADS
    num_asked: int = PAGE
    most_parameters: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str], *, words: str, most_parameters: int = 0) -> Search:
        """What makes no sense in an address is as if it were not there."""
        return cls(
            words=words,
            format=_one_of(Format, query.get("format"), Format.GGUF),
            size=_one_of(Size, query.get("size"), Size.ANY),
            task=_one_of(Task, query.get("task"), Task.ANY),
            sort=_one_of(Sort, query.get("sort"), Sort.DOWNLOADS),
            num_asked=_num_asked(query.get("show", "")),
            most_parameters=most_parameters,
        )

    @property
    def address(self) -> str:
        """What follows the “?”."""
        values = {"q": self.words, "format": self.format, "size": self.size}
        values |= {"task": self.task, "sort": self.sort}
        shown = {"show": self.num_asked} if self.num_asked != PAGE else {}
        return urlencode(values | shown)

    @property
    def is_filtered(self) -> bool:
        return bool(self.size or self.task)

    @property
    def of_all_sizes_and_tasks(self) -> Search:
        return replace(self, size=Size.ANY, task=Task.ANY)

    @property
    def as_gguf(self) -> Search:
        return replace(self, format=Format.GGUF)

    @property
    def with_more(self) -> Search | None:
        """None: no more are asked for at once."""
        more = min(self.num_asked + PAGE, MOST)
        return replace(self, num_asked=more) if more > self.num_asked else None

    def requests(self) -> list[dict[str, Any]]:
        """The parameters of each request to the hub; it takes one task at a time."""
        return [self._request(task) for task in HUB_TASKS[self.task]]

    def takes(self, found: Repository) -> bool:
        """Of a size that fits the filter. One that nobody tells the size of is not left out."""
        least, most = self._bounds
        size = found.num_parameters
        return not size or (size >= least and (not most or size <= most))

    def sorted(self, found: Iterable[Repository]) -> list[Repository]:
        """The hub's order stays where this one says nothing."""
        return sorted(found, key=KEYS[self.sort], reverse=True)

    @property
    def _bounds(self) -> tuple[int, int]:
        return BOUNDS.get(self.size, (0, self.most_parameters if self.size is Size.FITS else 0))

    def _request(self, task: str) -> dict[str, Any]:
        least, most = self._bounds
        bounds = [f"min:{least}"] * bool(least) + [f"max:{most}"] * bool(most)
        return {
            "search": self.words,
            "filter": self.format.value,
            "sort": HUB_SORTS[self.sort],
            "direction": "-1",
            "limit": str(self.num_asked),
            "expand": list(FIELDS),
            **({"pipeline_tag": task} if task else {}),
            **({"num_parameters": ",".join(bounds)} if bounds else {}),
        }


def _num_asked(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < 6
    return min(max(int(text), PAGE), MOST) if is_number else PAGE


def _one_of(kind: type[E], value: str | None, otherwise: E) -> E:
    return kind(value) if value in list(kind) else otherwise
