"""Text to tokens and tokens to bytes, by the model's own tokenizer. Holds no table of its own."""

from __future__ import annotations

import ctypes
from array import array

import llama_cpp

# Most pieces are a few bytes; a longer one gets a buffer of its own.
PIECE_BYTES = 256


class Vocabulary:
    """`tokenize` may be called from any thread, the rest from one at a time."""

    def __init__(self, model: object) -> None:
        self.handle = llama_cpp.llama_model_get_vocab(model)
        self._buffer = ctypes.create_string_buffer(PIECE_BYTES)
        self.size = int(llama_cpp.llama_vocab_n_tokens(self.handle))
        self.bos = int(llama_cpp.llama_vocab_bos(self.handle))
        self.eos = int(llama_cpp.llama_vocab_eos(self.handle))
        self._adds_bos = bool(llama_cpp.llama_vocab_get_add_bos(self.handle))

    def tokenize(self, text: str) -> array[int]:
        return self._with_bos(self._tokens_of(text, is_whole=False))

    def tokenize_input(self, text: str) -> array[int]:
        return self._tokens_of(text, is_whole=True)

    def piece(self, token: int) -> bytes:
        """The token's bytes, perhaps not whole characters; nothing for a control token."""
        size = self._piece_into(self._buffer, token)
        if size >= 0:
            return self._buffer.raw[:size]
        buffer = ctypes.create_string_buffer(-size)
        return buffer.raw[: self._piece_into(buffer, token)]

    def text(self, token: int) -> str:
        """How a template writes the token; "" where the model has none."""
        if token < 0:
            return ""
        return str(llama_cpp.llama_vocab_get_text(self.handle, token).decode("utf-8", "replace"))

    def is_end(self, token: int) -> bool:
        return bool(llama_cpp.llama_vocab_is_eog(self.handle, token))

    def _with_bos(self, tokens: array[int]) -> array[int]:
        """A template usually writes BOS itself; twice is as wrong as not at all."""
        if self._adds_bos and self.bos >= 0 and tokens[:1] != array("i", [self.bos]):
            tokens.insert(0, self.bos)
        return tokens

    def _tokens_of(self, text: str, *, is_whole: bool) -> array[int]:
        data = text.encode("utf-8", "replace")
        tokens = array("i", bytes(4 * (len(data) + 8)))
        count = self._tokenize_into(tokens, data, is_whole=is_whole)
        if count < 0:
            tokens = array("i", bytes(4 * -count))
            count = self._tokenize_into(tokens, data, is_whole=is_whole)
        return tokens[:count]

    def _tokenize_into(self, tokens: array[int], data: bytes, *, is_whole: bool) -> int:
        """`is_whole`: with the special tokens that belong around a text, and without those in it."""
        room = len(tokens)
        buffer = (ctypes.c_int32 * room).from_buffer(tokens)
        parses = not is_whole
        return int(
            llama_cpp.llama_tokenize(self.handle, data, len(data), buffer, room, is_whole, parses)
        )

    def _piece_into(self, buffer: ctypes.Array[ctypes.c_char], token: int) -> int:
        return int(
            llama_cpp.llama_token_to_piece(self.handle, token, buffer, len(buffer), 0, False)
        )
