"""Answers by PyTorch, each token the likeliest: what llama.cpp's are compared with."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from guide.by_llama_cpp import MAX_ANSWER_TOKENS
from guide.gguf_file import GuideModel
from guide.model import Llama
from guide.tokenizer import Codec


class TorchAnswers:
    """Computes several tokens at once by guessing that the answer is one of the known ones; what is
    kept is exactly what one token at a time would give, as each guess is checked."""

    def __init__(self, model: GuideModel, known: Iterable[str]) -> None:
        codec = Codec(model.tokenizer)
        self._model = Llama(model.shape)
        weights = {name: torch.from_numpy(tensor) for name, tensor in model.weights.items()}
        self._model.load_state_dict(weights)
        self._model.eval()
        self._end = codec.im_end
        self._known = [codec.answer(text) for text in known]

    def __call__(self, prompt: list[int]) -> list[int]:
        """Without the token that ends it."""
        with torch.inference_mode():
            return self._answer(prompt)

    def lead(self, prompt: list[int], other: list[int]) -> float:
        """Where `other`, another engine's answer, first differs from ours: by how much, in logits,
        our token is ahead of its."""
        own, other = [*self(prompt), self._end], [*other, self._end]
        at = next(at for at, pair in enumerate(zip(own, other, strict=False)) if pair[0] != pair[1])
        with torch.inference_mode():
            hidden = self._model(torch.tensor([[*prompt, *own[:at]]]))[0, -1]
            logits = self._model.logits(hidden)
        return float(logits[own[at]] - logits[other[at]])

    def _answer(self, prompt: list[int]) -> list[int]:
        answer: list[int] = []
        while len(answer) < MAX_ANSWER_TOKENS:
            for token in self._checked(prompt, answer):
                if token == self._end:
                    return answer
                answer.append(token)
        return answer

    def _checked(self, prompt: list[int], answer: list[int]) -> list[int]:
        """At least one more token."""
        guess = self._guess(answer)
        tokens = torch.tensor([[*prompt, *answer, *guess]])
        hidden = self._model(tokens)[0, len(prompt) + len(answer) - 1 :]
        likeliest = self._model.logits(hidden).argmax(dim=-1).tolist()
        right = 0
        while right < len(guess) and guess[right] == likeliest[right]:
            right += 1
        return [*guess[:right], likeliest[right]]

    def _guess(self, answer: list[int]) -> list[int]:
        for known in self._known:
            if known[: len(answer)] == answer:
                return known[len(answer) :][:MAX_ANSWER_TOKENS]
        return []
