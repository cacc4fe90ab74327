"""Text to tokens and tokens to bytes, by the model's own tokenizer.json."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tokenizers import Tokenizer

from inference.errors import InferenceError, InvalidRequest, ModelFileInvalid
from inference.mlx_folder import CONFIG, TOKENIZER
from inference.tokenizer_config import read_json, read_tokenizer_config

T = TypeVar("T")

# How tokenizers that know no letters but bytes write one.
BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
SPACE = "▁"
# Tokens by which some models end a turn without saying so in their configuration.
ENDS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>", "<|return|>")


class Vocabulary:
    """Of the folder's model. `size`: numbers that the model gives, which may be more than the tokenizer has.
    `tokenize` may be called from any thread."""

    def __init__(self, folder: Path, *, size: int) -> None:
        """Raises ModelFileInvalid."""
        self.size = size
        self._tokenizer = _tokenizer(folder / TOKENIZER)
        self._literal = _tokenizer(folder / TOKENIZER)
        self._literal.encode_special_tokens = True
        said = json.loads(self._tokenizer.to_str())
        added = self._tokenizer.get_added_tokens_decoder()
        self._control = frozenset(token for token, one in added.items() if one.special)
        self._added = frozenset(added)
        self._bytes = _letters() if _is_byte_level(said) else None
        config = read_tokenizer_config(folder)
        self.bos_text, self.eos_text = config.bos_text, config.eos_text
        self.bos = self._id(config.bos_text)
        self._adds_bos = self._is_bos_added(config.adds_bos)
        self._ends = frozenset(self._end_tokens(folder))

    def tokenize(self, text: str) -> array[int]:
        tokens = self._encoded(text, is_whole=False)
        if self._adds_bos and tokens[:1] != array("i", [self.bos]):
            tokens.insert(0, self.bos)
        return tokens

    def tokenize_input(self, text: str) -> array[int]:
        return self._encoded(text, is_whole=True)

    def piece(self, token: int) -> bytes:
        """The token's bytes, perhaps not whole characters; nothing for a control token."""
        text = self._tokenizer.id_to_token(token)
        if text is None or token in self._control:
            return b""
        if token in self._added:
            return text.encode()
        if self._bytes is not None:
            return _of_letters(text, self._bytes)
        if found := BYTE.fullmatch(text):
            return bytes([int(found[1], 16)])
        return text.replace(SPACE, " ").encode()

    def is_end(self, token: int) -> bool:
        """Also `end`, which the model itself never says."""
        return token in self._ends or token == self.end

    @property
    def end(self) -> int:
        """No token of the model: what comes after a completion that can only end."""
        return self.size

    @property
    def ends(self) -> frozenset[int]:
        return self._ends

    @property
    def control(self) -> frozenset[int]:
        return self._control

    @property
    def first(self) -> int:
        """Some token to compute with."""
        return self.bos if self.bos >= 0 else min(self._ends, default=0)

    def _encoded(self, text: str, *, is_whole: bool) -> array[int]:
        """Raises InferenceError. A number that the model has no row for would be read out of bounds."""
        tokenizer = self._literal if is_whole else self._tokenizer
        tokens = _guarded(
            lambda: tokenizer.encode(text, add_special_tokens=is_whole).ids,
            InferenceError("This model's tokenizer cannot read this text. Change it."),
        )
        if max(tokens, default=0) >= self.size:
            raise InvalidRequest("This text has a token that the model does not know. Change it.")
        return array("i", tokens)

    def _id(self, text: str) -> int:
        """-1: there is no such token."""
        found = self._tokenizer.token_to_id(text) if text else None
        return -1 if found is None else int(found)

    def _is_bos_added(self, said: bool | None) -> bool:
        if self.bos < 0:
            return False
        if said is not None:
            return said
        return self._tokenizer.encode("").ids[:1] == [self.bos]

    def _end_tokens(self, folder: Path) -> set[int]:
        """Whatever any of its files calls an end."""
        ends = {self._id(self.eos_text), *(self._id(text) for text in ENDS)}
        for name in (CONFIG, "generation_config.json"):
            said = read_json(folder / name, is_needed=False).get("eos_token_id")
            several = said if isinstance(said, list) else [said]
            ends.update(one for one in several if isinstance(one, int))
        return {one for one in ends if 0 <= one < self.size}


def _tokenizer(path: Path) -> Tokenizer:
    damaged = ModelFileInvalid("tokenizer.json is damaged. Copy it again.")
    return _guarded(lambda: Tokenizer.from_file(str(path)), damaged)


def _guarded(action: Callable[[], T], otherwise: InferenceError) -> T:
    """Its Rust code may panic, and a panic is no Exception."""
    try:
        return action()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise otherwise from error


def _is_byte_level(said: dict[str, Any]) -> bool:
    """Its tokens are written with a letter for each byte."""
    decoder = said.get("decoder") or {}
    parts = decoder.get("decoders", [decoder])
    return any(part.get("type") == "ByteLevel" for part in parts)


def _of_letters(text: str, letters: dict[str, int]) -> bytes:
    try:
        return bytes([letters[one] for one in text])
    except KeyError:  # a token that was added as plain text
        return text.encode()


def _letters() -> dict[str, int]:
    """GPT-2's letter for each byte: itself where it prints, else one above U+0100."""
    prints = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in prints]
    moved = {chr(256 + number): byte for number, byte in enumerate(others)}
    return {chr(byte): byte for byte in prints} | moved
