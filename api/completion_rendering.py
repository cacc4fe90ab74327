"""Answers in the form of OpenAI's completions, the older ones: whole, and as chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from api.answer import Answer, Begins, Breaks, Ends, Part, Said, total_of_prompts
from api.chat_rendering import DONE, finite, timings, usage
from api.streams import StreamNote, data
from inference.types import SampledToken, Usage


class CompletionRenderer:
    """Begins with the prompt if that is to be repeated."""

    def __init__(self, note: StreamNote, *, index: int = 0) -> None:
        self._note = note
        self._index = index
        self._offset = 0

    def render(self, part: Part) -> Iterable[bytes]:
        match part:
            case Begins() if echo := self._note.more.get("echo"):
                return [self._chunk(echo)]
            case Said(text, _, tokens):
                return [self._chunk(text, tokens)]
            case Ends():
                return [self.ending(part), *self.closing(part.usage)]
            case Breaks(error):
                return [data(error.for_openai())]
        return []

    def ending(self, end: Ends) -> bytes:
        chunk = self._head([self._choice("", end.reason)])
        return data({**chunk, "timings": timings(end.timings, end.usage)})

    def closing(self, used: Usage) -> Iterator[bytes]:
        if self._note.include_usage:
            yield data({**self._head([]), "usage": usage(used)})
        yield DONE

    def _chunk(self, text: str, tokens: Sequence[SampledToken] = ()) -> bytes:
        choice = self._choice(text, None)
        if self._note.logprobs and tokens:
            choice["logprobs"] = logprobs(tokens, offset=self._offset)
        self._offset += len(text)
        return data(self._head([choice]))

    def _choice(self, text: str, reason: str | None) -> dict[str, Any]:
        return {"index": self._index, "text": text, "logprobs": None, "finish_reason": reason}

    def _head(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._note.id,
            "object": "text_completion",
            "created": self._note.created,
            "model": self._note.model,
            "choices": choices,
        }


def whole_completion(note: StreamNote, per_prompt: int, answers: list[Answer]) -> dict[str, Any]:
    """`per_prompt`: answers to each prompt, in order."""
    ends = [answer.end for answer in answers if answer.end]
    used = total_of_prompts([end.usage for end in ends], per_prompt=per_prompt)
    return {
        "id": note.id,
        "object": "text_completion",
        "created": note.created,
        "model": note.model,
        "choices": [_choice(note, index, one) for index, one in enumerate(answers)],
        "usage": usage(used),
        "timings": timings(ends[0].timings, ends[0].usage),
    }


def _choice(note: StreamNote, index: int, answer: Answer) -> dict[str, Any]:
    echo = note.more.get("echo", "")
    return {
        "index": index,
        "text": echo + answer.text,
        "logprobs": logprobs(answer.tokens, offset=len(echo)) if note.logprobs else None,
        "finish_reason": answer.end.reason if answer.end else None,
    }


def logprobs(tokens: Sequence[SampledToken], *, offset: int) -> dict[str, Any]:
    texts = [token.chosen.piece.decode("utf-8", "replace") for token in tokens]
    offsets = [offset + sum(map(len, texts[:place])) for place in range(len(texts))]
    return {
        "tokens": texts,
        "token_logprobs": [finite(token.chosen.logprob) for token in tokens],
        "top_logprobs": [
            {one.piece.decode("utf-8", "replace"): finite(one.logprob) for one in token.top}
            for token in tokens
        ],
        "text_offset": offsets,
    }
