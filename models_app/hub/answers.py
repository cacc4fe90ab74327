"""The hub's answers as they come, and what of them is believed: each field has the type, the length and
the range that it should have, or is as if it had not been said.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from models_app.hub.errors import HubNonsense
from models_app.hub.repository import Capability, HubFile, Repository, is_projector
from models_app.hub.safetensors_facts import bits_of, chat_template, parameters_of

MAX_FILES = 10_000
MAX_FILE_BYTES = 4 * 1024**4
MAX_TAGS = 100
T = TypeVar("T")

VISION_TASKS = frozenset(("image-text-to-text", "any-to-any", "visual-question-answering"))
EMBEDDING_TASKS = frozenset(("sentence-similarity", "feature-extraction"))
# As templates of chat models write them.
REASONING = re.compile(r"<think|enable_thinking|reasoning_content|reasoning_effort|\[THINK\]")
TOOLS = re.compile(r"\btools\b")
PARAMETERS = re.compile(r"(?:^|[-_ ])(\d{1,4}(?:\.\d{1,3})?)([BM])(?=[-_ ]|$)", re.IGNORECASE)
SCALES = {"B": 1e9, "M": 1e6}


class Model(msgspec.Struct):
    """Each field as the hub may write it, or not at all."""

    id: str = ""
    sha: str = ""
    downloads: int = 0
    likes: int = 0
    trendingScore: float = 0
    createdAt: str = ""
    lastModified: str = ""
    gated: bool | str = False
    private: bool = False
    pipeline_tag: str | None = None
    tags: list[str] = []
    gguf: dict[str, Any] | None = None
    safetensors: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    cardData: dict[str, Any] | None = None
    siblings: list[dict[str, Any]] = []


def decoded(body: bytes, kind: type[T]) -> T:
    """Raises HubNonsense."""
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise HubNonsense("The hub's answer makes no sense. Try again later.") from error


def repository_of(model: Model) -> Repository:
    gguf = model.gguf or {}
    card = model.cardData or {}
    config = model.config or {}
    files = _files(model.siblings[:MAX_FILES])
    template = gguf.get("chat_template") or chat_template(config)
    bits = bits_of(config, model.tags)
    return Repository(
        name=model.id,
        revision=model.sha[:64] if model.sha.isalnum() else "",
        files=files,
        license=_text(card.get("license")) or _tagged(model.tags, "license:"),
        is_gated=bool(model.gated),
        is_private=model.private,
        architecture=_text(gguf.get("architecture")) or _text(config.get("model_type")),
        num_parameters=_count(gguf.get("total"))
        or parameters_of(model.safetensors or {}, bits)
        or _named_parameters(model.id),
        quantization=f"{bits}-bit" if bits else "",
        context_length=_count(gguf.get("context_length")),
        capabilities=_capabilities(model.pipeline_tag or "", template, files),
        tags=tuple(_text(tag) for tag in model.tags[:MAX_TAGS]),
        downloads=_count(model.downloads),
        likes=_count(model.likes),
        trending=model.trendingScore if 0 <= model.trendingScore < 2**62 else 0,
        created=_text(model.createdAt),
        modified=_text(model.lastModified)[:10],
    )


def _capabilities(
    task: str, template: object, files: tuple[HubFile, ...]
) -> tuple[Capability, ...]:
    """What the task of the repository, the model's own chat template and a projector tell."""
    text = template if isinstance(template, str) else ""
    is_embedding = task in EMBEDDING_TASKS
    told = {
        Capability.CHAT: bool(text) and not is_embedding,
        Capability.VISION: task in VISION_TASKS or any(is_projector(file) for file in files),
        Capability.TOOLS: bool(TOOLS.search(text)),
        Capability.REASONING: bool(REASONING.search(text)),
        Capability.EMBEDDINGS: is_embedding,
    }
    return tuple(one for one, is_told in told.items() if is_told)


def _named_parameters(name: str) -> int:
    """As the name says, as in “Night-8B-4bit”; 0: it does not."""
    found = PARAMETERS.findall(name.rpartition("/")[2])
    if not found:
        return 0
    number, scale = found[0]
    return int(float(number) * SCALES[scale.upper()])


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
