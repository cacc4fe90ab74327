"""The loads, each a function from a server to its figures. No prompt is asked twice, and no two loads
begin alike, so that no cache knows more than a load is about."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import count, pairwise

from benchmarks.serving.server import Answer, Asked, Server
from inference.types import ChatMessage

Figures = dict[str, float]
Load = Callable[[Server], Figures]

SENTENCE = "The owl looks at the moon and waits for the mice of the field. "
QUESTION_TOKENS = 40
SYSTEM_TOKENS = 900
LONG_TOKENS = 8_000
HISTORY_TOKENS = 600
STREAMS_BESIDE_A_PROMPT = 7

_numbers = count()


def text(num_tokens: int) -> str:
    """Unlike any other from its beginning on. The models of the benchmarks have a token a byte."""
    number = f"{next(_numbers):06} "
    return (number + SENTENCE * (num_tokens // len(SENTENCE) + 1))[:num_tokens]


def asked(
    num_tokens: int, *, system: str = "", prompt: str | None = None, user: str = "ada"
) -> Asked:
    question = ChatMessage("user", prompt or text(QUESTION_TOKENS))
    messages = (ChatMessage("system", system), question) if system else (question,)
    return Asked(messages, num_tokens, user)


def together(server: Server, *requests: Asked) -> list[Answer]:
    answers = [server.start(request) for request in requests]
    server.finish(*answers)
    return answers


def tokens_per_second(answers: list[Answer]) -> float:
    """From the first request to the last token."""
    began = min(answer.asked_at for answer in answers)
    ended = max(answer.token_times[-1] for answer in answers)
    return sum(len(answer.token_times) for answer in answers) / (ended - began)


def streams(number: int) -> Load:
    def load(server: Server) -> Figures:
        answers = together(server, *(asked(96) for _ in range(number)))
        return {f"{number} at once: tokens/s": tokens_per_second(answers)}

    return load


def decoding(server: Server) -> Figures:
    """One stream, without its prompt."""
    times = together(server, asked(192))[0].token_times
    return {"one stream, decoding: tokens/s": (len(times) - 1) / (times[-1] - times[0])}


def shared_prefix(server: Server) -> Figures:
    system = text(SYSTEM_TOKENS)
    answers = together(server, *(asked(64, system=system, user=str(user)) for user in range(8)))
    first = statistics.median(answer.first_token_seconds for answer in answers)
    return {
        "8 users, one system prompt: tokens/s": tokens_per_second(answers),
        "8 users, one system prompt: median first token, s": first,
    }


def second_turn(server: Server) -> Figures:
    question = asked(64, system=text(HISTORY_TOKENS))
    (first,) = together(server, question)
    said = (ChatMessage("assistant", first.text), ChatMessage("user", text(QUESTION_TOKENS)))
    (second,) = together(server, Asked((*question.messages, *said), 16))
    return {"second turn: first token, s": second.first_token_seconds}


def beside_a_long_prompt(server: Server) -> Figures:
    """The last load."""
    before = [server.start(asked(240)) for _ in range(STREAMS_BESIDE_A_PROMPT)]
    server.wait(lambda: all(len(one.token_times) > 40 for one in before))
    began = max(one.token_times[8] for one in before)
    long = server.start(asked(1, prompt=text(LONG_TOKENS)))
    server.wait(lambda: long.has_ended or all(one.has_ended for one in before))
    ended = time.perf_counter()
    server.finish(long, *before)
    alone = _gaps(before, began, long.asked_at)
    beside = _gaps(before, long.asked_at, ended)
    return {
        "gap of 7 streams: p50, ms": _at(alone, 0.5),
        "gap of 7 streams: p99, ms": _at(alone, 0.99),
        "the same beside an 8k prompt: p50, ms": _at(beside, 0.5),
        "the same beside an 8k prompt: p99, ms": _at(beside, 0.99),
    }


def memory(server: Server) -> Figures:
    return {"memory of the process, MB": server.memory() / 1e6}


LOADS: tuple[Load, ...] = (
    decoding,
    *(streams(number) for number in (1, 4, 8, 16)),
    shared_prefix,
    second_turn,
    memory,
    beside_a_long_prompt,
)


def _gaps(answers: list[Answer], began: float, ended: float) -> list[float]:
    return sorted(
        1000 * (after - before)
        for answer in answers
        for before, after in pairwise(answer.token_times)
        if began <= before and after <= ended
    )


def _at(gaps: list[float], share: float) -> float:
    return gaps[min(int(share * len(gaps)), len(gaps) - 1)]
