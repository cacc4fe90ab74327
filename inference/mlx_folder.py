"""A model as MLX reads it: a folder with config.json, tokenizer.json and weights in safetensors.

Read without any library and without trusting it, before a loader sees it: by the catalog, by the
inference service for its memory plan, and by the runner.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.errors import ModelFileInvalid
from inference.gguf_kv import MAX_KV_VALUES, MAX_LAYERS
from inference.gguf_metadata import one_line
from inference.safetensors_header import TYPES, SafetensorsFile, Tensor, read_safetensors
from inference.tokenizer_config import read_json, read_tokenizer_config

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "model*.safetensors"  # which mlx-lm loads
INDEX = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth")
MAX_FILES = 1_000
MAX_NAME = 200
CACHE_FOLDER = re.compile(r"models--(?:.+)--(?P<name>.+)")
HASH = re.compile(r"[0-9a-f]{32,}")


@dataclass(frozen=True)
class MLXHeader:
    """What such a folder says of itself, by the names of `GGUFHeader`. `bytes_a_value`: of what is kept of a
    token."""

    architecture: str
    name: str
    num_parameters: int
    quantization: str
    context_length: int
    block_count: int
    embedding_length: int
    num_kv_values: int
    bytes_a_value: int
    vocabulary_size: int
    chat_template: str
    size: int
    sampling: dict[str, int | float] = field(default_factory=dict)
    tokenizer_model: str = TOKENIZER
    license: str = ""


def weight_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(WEIGHTS))


def read_folder(folder: Path) -> MLXHeader:
    """Raises ModelFileInvalid: what is missing or damaged, or why it is not run. `reason` "truncated" where
    more of it may still come."""
    config = read_json(folder / CONFIG)
    _check_program(config)
    weights = _weights(folder)
    if not (folder / TOKENIZER).is_file():
        raise ModelFileInvalid(
            "There is no tokenizer.json in its folder, so its text could not be read. Download it too."
        )
    tokenizer = read_tokenizer_config(folder)
    said = _Said(config)
    context_length = said.first("max_position_embeddings", "n_positions", "seq_length")
    context_length = context_length or tokenizer.max_length
    if not context_length:
        raise ModelFileInvalid("config.json does not say how long its context may be.")
    tensors = [tensor for file in weights for tensor in file.tensors]
    precision = _precision(tensors)
    bits = _Bits(config)
    return MLXHeader(
        architecture=_architecture(config),
        name=_name(folder),
        num_parameters=_num_parameters(tensors, bits),
        quantization=bits.label or precision,
        context_length=context_length,
        block_count=said.first("num_hidden_layers", "n_layers", "n_layer"),
        embedding_length=said.first("hidden_size", "n_embd", "d_model"),
        num_kv_values=said.num_kv_values(),
        bytes_a_value=TYPES[precision] // 8,
        vocabulary_size=said.first("vocab_size"),
        chat_template=tokenizer.chat_template,
        size=sum(file.size for file in weights),
    )


def announced(config: dict[str, Any], *, size: int, num_parameters: int = 0) -> MLXHeader:
    """What config.json tells of a model whose other files are not here: `size` bytes of weights, most likely of
    16 bits where they are not packed. Raises ModelFileInvalid for one that is not run."""
    _check_program(config)
    said = _Said(config)
    return MLXHeader(
        architecture=_architecture(config),
        name="",
        num_parameters=num_parameters,
        quantization=_Bits(config).label,
        context_length=said.first("max_position_embeddings", "n_positions", "seq_length"),
        block_count=said.first("num_hidden_layers", "n_layers", "n_layer"),
        embedding_length=said.first("hidden_size", "n_embd", "d_model"),
        num_kv_values=said.num_kv_values(),
        bytes_a_value=2,
        vocabulary_size=said.first("vocab_size"),
        chat_template="",
        size=size,
    )


class _Said:
    """The numbers of a configuration: those of the language model, where it has several."""

    def __init__(self, config: dict[str, Any]) -> None:
        text = config.get("text_config")
        self._config = {**config, **text} if isinstance(text, dict) else config

    def first(self, *names: str) -> int:
        """0: none of them is given."""
        for name in names:
            value = self._config.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
                return value
        return 0

    def num_kv_values(self) -> int:
        """Keys and values of one token in all layers. Raises ModelFileInvalid for more than any model keeps."""
        number = self._claimed_kv_values()
        if number > MAX_KV_VALUES:
            raise ModelFileInvalid(
                f"config.json claims that {number:,} numbers are kept of each token. It is damaged."
            )
        return number

    def _claimed_kv_values(self) -> int:
        """Compressed together (MLA) they are fewer."""
        layers = min(self.first("num_hidden_layers", "n_layers", "n_layer"), MAX_LAYERS)
        if compressed := self.first("kv_lora_rank"):
            return layers * (compressed + self.first("qk_rope_head_dim"))
        heads = self.first("num_attention_heads", "n_head", "n_heads")
        size = self.first("head_dim")
        if not size and heads:
            size = self.first("hidden_size", "n_embd", "d_model") // heads
        return 2 * layers * (self.first("num_key_value_heads") or heads) * size


class _Bits:
    """How many bits the weights have, some perhaps others than most. `label` "": not quantised."""

    def __init__(self, config: dict[str, Any]) -> None:
        said = config.get("quantization") or config.get("quantization_config")
        self._said: dict[str, Any] = said if isinstance(said, dict) else {}
        bits = _bits(self._said)
        self.label = f"{bits}-bit" if bits else one_line(str(self._said.get("quant_method", "")))
        self.label = self.label[:32]

    def of(self, name: str) -> int:
        own = self._said.get(name)
        return _bits(own if isinstance(own, dict) else self._said) or 4


def _bits(said: dict[str, Any]) -> int:
    bits = said.get("bits")
    return bits if isinstance(bits, int) and 0 < bits <= 16 else 0


def _check_program(config: dict[str, Any]) -> None:
    if config.get("model_file") or config.get("auto_map"):
        raise ModelFileInvalid(
            "This model needs a program of its own to be run, and Minerva runs none that comes with a "
            "model. Look for a GGUF of it.",
            cause="unsupported",
        )


def _architecture(config: dict[str, Any]) -> str:
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise ModelFileInvalid("config.json does not say which architecture its model has.")
    return one_line(kind, limit=64)


def _weights(folder: Path) -> list[SafetensorsFile]:
    paths = weight_files(folder)
    if not paths:
        raise _without_weights(folder)
    if len(paths) > MAX_FILES:
        raise ModelFileInvalid("This folder has more files with weights than any model.")
    index = read_json(folder / INDEX, is_needed=False).get("weight_map")
    needed = {str(name) for name in index.values()} if isinstance(index, dict) else set()
    if missing := sorted(needed - {path.name for path in paths}):
        raise ModelFileInvalid(
            f"{one_line(missing[0])} is missing. Copy it into the folder.", reason="truncated"
        )
    return [read_safetensors(path) for path in paths]


def _without_weights(folder: Path) -> ModelFileInvalid:
    names = [path.name for path in folder.iterdir()]
    if any(name.endswith(".safetensors") for name in names):
        return ModelFileInvalid(
            "Its weights must be called model.safetensors, or model-00001-of-… in several files."
        )
    if any(name.endswith(PICKLES) for name in names):
        return ModelFileInvalid(
            "Its weights are .bin or .pt files. Opening such a file runs whatever program is in it, so "
            "Minerva never does. Get it as safetensors or GGUF.",
            cause="unsupported",
        )
    return ModelFileInvalid("Its weights are missing.", reason="truncated")


def _precision(tensors: Iterable[Tensor]) -> str:
    """Of most numbers that are not packed."""
    sizes = Counter[str]()
    for tensor in tensors:
        if tensor.kind in ("F32", "F16", "BF16"):
            sizes[tensor.kind] += tensor.num_elements
    return sizes.most_common(1)[0][0] if sizes else "F16"


def _num_parameters(tensors: Iterable[Tensor], bits: _Bits) -> int:
    """Of packed ones, several are in each 32 bits, and scales belong to them."""
    named = {tensor.name: tensor.num_elements for tensor in tensors}
    packed = {name.removesuffix(".scales") for name in named if name.endswith(".scales")}
    total = 0
    for name, num_elements in named.items():
        owner, _, part = name.rpartition(".")
        if owner not in packed:
            total += num_elements
        elif part == "weight":
            total += num_elements * 32 // bits.of(owner)
        elif part == "bias":
            total += num_elements
    return total


def _name(folder: Path) -> str:
    """The folder's, or that of the repository it belongs to in the hub's cache."""
    for path in (folder, *folder.parents):
        if match := CACHE_FOLDER.fullmatch(path.name):
            return one_line(match["name"], limit=MAX_NAME)
        if not HASH.fullmatch(path.name) and path.name != "snapshots":
            return one_line(path.name, limit=MAX_NAME)
    return ""
