"""Reasoning and tool calls on their way through the engine."""

from __future__ import annotations

from array import array

from inference.engine.families import CHATML
from inference.engine.posts import Announced, Prepared
from inference.engine.separator import Separator
from inference.engine.sequence import Prompt, Sequence
from inference.types import Delta, FinishReason, SamplingParams, ToolCall
from tests.inference.engine.engine_run import EngineRun
from tests.inference.engine.scripted_model import END, ScriptedModel

THINK = 1
CALL = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'


class Saying(ScriptedModel):
    """Says one text, a byte a token; token 1 is a control token, which has no text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: list[int] = [*text.encode(), END]

    def piece(self, token: int) -> bytes:
        return b"" if token == THINK else bytes([token])

    def sample(self, index: int, sampler: object, *, place: int = 0) -> int:
        return self.said.pop(0)


def saying(text: str, *, has_tools: bool = False, **sampling: object) -> EngineRun:
    run = EngineRun(Saying(text))
    params = SamplingParams(**sampling)  # type: ignore[arg-type]
    run.engine.post(Announced(Sequence("one", 0.0, params)))
    separator = Separator(CHATML, has_tools=has_tools)
    prompt = Prompt(array("i", [5, 6]), separator=separator, markers={THINK: b"<think>"})
    run.engine.post(Prepared("one", prompt))
    run.finish()
    return run


def texts(run: EngineRun, *, is_reasoning: bool) -> str:
    deltas = [event for event in run.of("one") if isinstance(event, Delta)]
    return "".join(one.text for one in deltas if one.is_reasoning == is_reasoning)


def test_reasoning_and_content_are_told_apart():
    run = saying("\x01\nHm.\n</think>\n\nYes.")

    assert texts(run, is_reasoning=True) == "Hm."
    assert texts(run, is_reasoning=False) == "Yes."
    assert run.end("one").reason is FinishReason.STOP


def test_the_tokens_of_reasoning_are_counted_too():
    run = saying("\x01Hm.</think>Yes.")

    assert run.end("one").usage.completion_tokens == len("?Hm.</think>Yes.")


def test_a_stop_sequence_ends_content_but_not_reasoning():
    run = saying("\x01One. Two.</think>Three. Four.", stop=(". ",))

    assert texts(run, is_reasoning=True) == "One. Two."
    assert texts(run, is_reasoning=False) == "Three"
    assert run.end("one").reason is FinishReason.STOP


def test_a_call_is_an_event_and_the_reason_of_the_end():
    run = saying("I look. " + CALL + CALL, has_tools=True)

    calls = [event for event in run.of("one") if isinstance(event, ToolCall)]
    assert calls == [ToolCall(number, "weather", '{"city": "Oslo"}') for number in (0, 1)]
    assert texts(run, is_reasoning=False) == "I look. "
    assert run.end("one").reason is FinishReason.TOOL_CALLS


def test_a_call_that_the_limit_cuts_off_is_text():
    run = saying(CALL, has_tools=True, max_tokens=30)

    assert texts(run, is_reasoning=False) == CALL[:30]
    assert run.end("one").reason is FinishReason.LENGTH


def test_each_token_is_told_of_once_with_how_likely_it_was():
    run = saying("\x01Hm</think>Yes", logprobs=2)

    deltas = [event for event in run.of("one") if isinstance(event, Delta)]
    sampled = [one for delta in deltas for one in delta.tokens]
    assert b"".join(one.chosen.piece for one in sampled) == b"Hm</think>Yes"
    assert {len(one.top) for one in sampled} == {2}
    assert {one.chosen.logprob for one in sampled} == {-0.5}


def test_nobody_who_did_not_ask_is_told():
    run = saying("Yes")

    assert all(delta.tokens == () for delta in run.of("one") if isinstance(delta, Delta))
