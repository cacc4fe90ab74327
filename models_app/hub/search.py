"""What is looked for at the hub, as the page's address says it: words, filters and an order.

The hub is asked to filter, and what it answers is filtered once more: a mirror may know less than it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from models_app.hub.repository import Capability, Repository

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
    """What a model shall be able to. The hub filters by the first two; whether one knows tools, or thinks, its chat
    template tells."""

    ANY = ""
    VISION = "vision"
    EMBEDDINGS = "embeddings"
    TOOLS = "tools"
    REASONING = "reasoning"


class Licence(StrEnum):
    """PERMISSIVE: for any use, if its makers are named."""

    ANY = ""
    PERMISSIVE = "permissive"


BOUNDS = {
    Size.SMALL: (0, 4 * BILLION),
    Size.MEDIUM: (4 * BILLION, 10 * BILLION),
    Size.LARGE: (10 * BILLION, 40 * BILLION),
    Size.HUGE: (40 * BILLION, 0),
}
HUB_TASKS = {
    Task.VISION: ("image-text-to-text",),
    Task.EMBEDDINGS: ("sentence-similarity", "feature-extraction"),
}
# By the chat template. The hub gives its tag to whatever has one.
TOLD_BY_TEMPLATE = {Task.TOOLS: Capability.TOOLS, Task.REASONING: Capability.REASONING}
HAS_TEMPLATE = "conversational"
# As many more are looked at, since the hub can't leave the others out.
LOOKED_AT = 4
MOST_LOOKED_AT = 200
# The hub takes one licence at a time, and nearly all permissive models have one of the first.
ASKED_LICENCES = ("apache-2.0", "mit")
PERMISSIVE = frozenset(
    (
        *ASKED_LICENCES,
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "isc",
        "unlicense",
        "cc0-1.0",
        "cc-by-4.0",
    )
)
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
    licence: Licence = Licence.ANY
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
            licence=_one_of(Licence, query.get("licence"), Licence.ANY),
            sort=_one_of(Sort, query.get("sort"), Sort.DOWNLOADS),
            num_asked=_num_asked(query.get("show", "")),
            most_parameters=most_parameters,
        )

    @property
    def address(self) -> str:
        """What follows the “?”."""
        values = {"q": self.words, "format": self.format, "size": self.size}
        values |= {"task": self.task, "licence": self.licence, "sort": self.sort}
        shown = {"show": self.num_asked} if self.num_asked != PAGE else {}
        return urlencode(values | shown)

    @property
    def is_filtered(self) -> bool:
        return bool(self.size or self.task or self.licence)

    @property
    def unfiltered(self) -> Search:
        return replace(self, size=Size.ANY, task=Task.ANY, licence=Licence.ANY)

    @property
    def as_gguf(self) -> Search:
        return replace(self, format=Format.GGUF)

    @property
    def with_more(self) -> Search | None:
        """None: no more are asked for at once."""
        more = min(self.num_asked + PAGE, MOST)
        return replace(self, num_asked=more) if more > self.num_asked else None

    def requests(self) -> list[dict[str, Any]]:
        """The parameters of each request to the hub; it takes one task and one licence at a time."""
        licences = ASKED_LICENCES if self.licence is Licence.PERMISSIVE else ("",)
        tasks = HUB_TASKS.get(self.task, ("",))
        return [self._request(task, licence) for task in tasks for licence in licences]

    def takes(self, found: Repository) -> bool:
        """Of a size, a licence and abilities that fit the filters. One that nobody tells the size of is not left
        out."""
        least, most = self._bounds
        size = found.num_parameters
        is_of_size = not size or (size >= least and (not most or size <= most))
        is_licensed = self.licence is Licence.ANY or found.license.lower() in PERMISSIVE
        needed = TOLD_BY_TEMPLATE.get(self.task)
        return is_of_size and is_licensed and (needed is None or needed in found.capabilities)

    @property
    def num_looked_at(self) -> int:
        """Of which as many as were asked for may be shown."""
        many = max(self.num_asked, min(self.num_asked * LOOKED_AT, MOST_LOOKED_AT))
        return many if self.is_told_by_template else self.num_asked

    @property
    def is_told_by_template(self) -> bool:
        """The hub can't filter by it."""
        return self.task in TOLD_BY_TEMPLATE

    def sorted(self, found: Iterable[Repository]) -> list[Repository]:
        """The hub's order stays where this one says nothing."""
        return sorted(found, key=KEYS[self.sort], reverse=True)

    @property
    def _bounds(self) -> tuple[int, int]:
        return BOUNDS.get(self.size, (0, self.most_parameters if self.size is Size.FITS else 0))

    def _request(self, task: str, licence: str) -> dict[str, Any]:
        least, most = self._bounds
        bounds = [f"min:{least}"] * bool(least) + [f"max:{most}"] * bool(most)
        tags = [self.format.value, *([f"license:{licence}"] if licence else [])]
        return {
            "search": self.words,
            "filter": tags + [HAS_TEMPLATE] * self.is_told_by_template,
            "sort": HUB_SORTS[self.sort],
            "direction": "-1",
            "limit": str(self.num_looked_at),
            "expand": list(FIELDS),
            **({"pipeline_tag": task} if task else {}),
            **({"num_parameters": ",".join(bounds)} if bounds else {}),
        }


def _num_asked(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < 6
    return min(max(int(text), PAGE), MOST) if is_number else PAGE


def _one_of(kind: type[E], value: str | None, otherwise: E) -> E:
    return kind(value) if value in list(kind) else otherwise
