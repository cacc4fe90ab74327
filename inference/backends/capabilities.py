"""What each back end can do, as data: checked before a request reaches it, and the table in the docs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from inference.errors import InvalidRequest
from inference.types import SamplingParams


class Feature(StrEnum):
    """In the words of the table."""

    CHAT = "Chat, streamed and whole; Stop, also while a prompt is computed"
    TOOLS = "Thinking and tool calls"
    BATCHING = "Several answers of one model at once, each with the text it would have alone"
    SAMPLING = "Temperature, top-k, top-p, min-p, typical, XTC, penalties, biases, seed"
    LOGPROBS = "Log probabilities"
    PROMPT_CACHE = "Ended chats kept within a limit of bytes, a shared beginning computed once"
    TOKENS = "Counting and splitting tokens"
    DRY = "DRY"
    MIROSTAT = "Mirostat"
    STRUCTURED_OUTPUT = "Answers held to a JSON schema, choices or a grammar"
    EMBEDDINGS = "Embeddings"
    SPECULATION = "Guessing several tokens at once, a draft model"
    KV_CACHE_TYPE = "A smaller type of KV cache"
    PARTLY_GPU = "Some layers on the GPU, the rest on the processor"


@dataclass(frozen=True)
class Capabilities:
    """`depends`: features that a server has or has not. `missing`: what to do to get a back end that is
    not there, "" if it is."""

    name: str
    file_formats: tuple[str, ...]
    devices: tuple[str, ...]
    features: frozenset[Feature]
    depends: frozenset[Feature] = frozenset()
    missing: str = ""

    def check(self, sampling: SamplingParams) -> None:
        """Raises InvalidRequest for what this back end does not do."""
        wanted = {
            "dry_multiplier": (Feature.DRY, sampling.dry_multiplier > 0),
            "mirostat": (Feature.MIROSTAT, sampling.mirostat > 0),
            "output": (Feature.STRUCTURED_OUTPUT, sampling.output is not None),
        }
        for field, (feature, is_wanted) in wanted.items():
            if is_wanted:
                self.require(feature, field=field)

    def require(self, feature: Feature, *, field: str) -> None:
        """Raises InvalidRequest."""
        if feature not in self.features:
            raise InvalidRequest(
                f"{self.name} does not do this: {_begun_small(feature)}. Use a GGUF of this model, "
                "which llama.cpp runs.",
                field=field,
            )


def rows(backends: Iterable[Capabilities]) -> list[list[str]]:
    """The table of what they can, with what it is about at the left."""
    columns = list(backends)
    return [
        ["What", *(one.name for one in columns)],
        ["Formats", *(", ".join(one.file_formats) for one in columns)],
        ["Devices", *(", ".join(one.devices) for one in columns)],
        *([str(feature), *(_mark(one, feature) for one in columns)] for feature in Feature),
    ]


def table(backends: Iterable[Capabilities]) -> str:
    """In Markdown."""
    head, *others = rows(backends)
    lines = [head, ["---"] * len(head), *others]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _mark(one: Capabilities, feature: Feature) -> str:
    if feature in one.depends:
        return "if the server does"
    return "yes" if feature in one.features else "no"


def _begun_small(feature: Feature) -> str:
    """Names stay as they are."""
    text = str(feature)
    return text if text.isupper() else text[0].lower() + text[1:]
