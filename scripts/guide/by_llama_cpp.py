"""Answers by llama.cpp, each token the likeliest."""

from __future__ import annotations

from itertools import islice, takewhile
from pathlib import Path

from llama_cpp import Llama

MAX_ANSWER_TOKENS = 250


class LlamaCppAnswers:
    """llama.cpp on the CPU, prompt by prompt."""

    def __init__(self, path: Path) -> None:
        self._llama = Llama(str(path), n_ctx=2048, n_gpu_layers=0, verbose=False)
        self._end = self._llama.token_eos()

    def __call__(self, prompt: list[int]) -> list[int]:
        """Without the token that ends it."""
        tokens = self._llama.generate(prompt, temp=0.0, repeat_penalty=1.0)
        answer = takewhile(lambda token: token != self._end, tokens)
        return list(islice(answer, MAX_ANSWER_TOKENS))

    def tokenize(self, text: str) -> list[int]:
        """Special tokens in the text are recognised."""
        return list(self._llama.tokenize(text.encode(), add_bos=False, special=True))
