"""What stands beside a tokenizer.json: the chat template, and the texts of special tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import ModelFileInvalid

MAX_JSON_BYTES = 16 * 1024 * 1024
MAX_TEMPLATE_BYTES = 1024 * 1024
# Longer ones stand for "no limit".
LONGEST = 2**31


@dataclass(frozen=True)
class TokenizerConfig:
    """`bos_text`, `eos_text` "": none. `adds_bos` None: the tokenizer itself knows. `max_length` 0: not said."""

    chat_template: str = ""
    bos_text: str = ""
    eos_text: str = ""
    adds_bos: bool | None = None
    max_length: int = 0


def read_tokenizer_config(folder: Path) -> TokenizerConfig:
    """Of a folder that may have none. Raises ModelFileInvalid for what cannot be read."""
    said = read_json(folder / "tokenizer_config.json", is_needed=False)
    adds_bos, length = said.get("add_bos_token"), said.get("model_max_length")
    return TokenizerConfig(
        chat_template=_chat_template(folder, said.get("chat_template")),
        bos_text=_token(said.get("bos_token")),
        eos_text=_token(said.get("eos_token")),
        adds_bos=adds_bos if isinstance(adds_bos, bool) else None,
        max_length=length if isinstance(length, int) and 0 < length < LONGEST else 0,
    )


def read_json(path: Path, *, is_needed: bool = True) -> dict[str, Any]:
    """An object. Raises ModelFileInvalid, in words about this file."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
        found = json.loads(data) if len(data) <= MAX_JSON_BYTES else None
    except FileNotFoundError as error:
        if not is_needed:
            return {}
        raise ModelFileInvalid(f"{path.name} is missing.", reason="gone") from error
    except OSError as error:
        raise ModelFileInvalid(f"{path.name} could not be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileInvalid(f"{path.name} is not valid JSON. Copy it again.") from error
    if not isinstance(found, dict):
        raise ModelFileInvalid(f"{path.name} is not what it should be. Copy it again.")
    return found


def _chat_template(folder: Path, said: object) -> str:
    """A file of its own wins over the one in the configuration, as the tools of model makers have it."""
    try:
        with (folder / "chat_template.jinja").open(encoding="utf-8", errors="replace") as file:
            return file.read(MAX_TEMPLATE_BYTES)
    except OSError:
        return said if isinstance(said, str) else _default_of(said)


def _default_of(said: object) -> str:
    """Some have several templates by name."""
    named = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    found = next((one.get("template") for one in named if one.get("name") == "default"), "")
    return found if isinstance(found, str) else ""


def _token(said: object) -> str:
    """A text, or an object with it."""
    text = said.get("content") if isinstance(said, dict) else said
    return text if isinstance(text, str) else ""
