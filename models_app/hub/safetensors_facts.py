"""What the hub's answers say of a repository with safetensors: in `config`, taken from its files, in
`safetensors`, the numbers of its tensors, and in its tags. Each may be missing, or anything at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

TAG = re.compile(r"([2-8])-?bit")
PACKED = "U32"
# Of one packed number.
PACKED_BITS = 32


def bits_of(config: dict[str, Any], tags: Iterable[str]) -> int:
    """Of a weight that is packed; 0: none is, or nobody says."""
    said = _object(config, "quantization_config") or _object(config, "quantization")
    bits = said.get("bits")
    if isinstance(bits, int) and 0 < bits <= 16:
        return bits
    return next((int(match[1]) for tag in tags if (match := TAG.fullmatch(tag))), 0)


def parameters_of(safetensors: dict[str, Any], bits: int) -> int:
    """As they were before they were packed, several into each number; 0: nobody can say."""
    counts = _object(safetensors, "parameters")
    packed = _count(counts.get(PACKED))
    if packed:
        return packed * PACKED_BITS // bits if bits else 0
    return _count(safetensors.get("total"))


def chat_template(config: dict[str, Any]) -> str:
    """The first one, where it has several."""
    for said in (config.get("chat_template_jinja"), _object(config, "tokenizer_config")):
        found = said.get("chat_template") if isinstance(said, dict) else said
        if isinstance(found, list) and found and isinstance(found[0], dict):
            found = found[0].get("template")
        if isinstance(found, str) and found:
            return found
    return ""


def _object(of: dict[str, Any], name: str) -> dict[str, Any]:
    found = of.get(name)
    return found if isinstance(found, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**62 else 0
