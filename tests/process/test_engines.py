"""One suite for all engines: what a capability promises, each of them keeps, in a real runner."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from inference.backends.capabilities import Feature
from inference.messages import Cancel, Embed, Start, Tokenize
from inference.types import (
    ChatMessage,
    Delta,
    Embedding,
    Failed,
    Finished,
    FinishReason,
    OutputFormat,
    Prefill,
    SamplingParams,
    Shortened,
    Tokens,
    Tool,
    ToolCall,
)
from tests.process.engines import ENGINES, Engine
from tests.process.remote_servers import end_minerva
from tests.process.runner_process import (
    PATIENCE_SECONDS,
    RunnerProcess,
    alone,
    failed,
    finished,
    text_of,
    together,
)

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

TEXT = 'Grüße, 世界! 👩‍👩‍👧 and 🦉\n\n```python\nprint("one two three")\n```\n\n* the end\t\n'
AROUND = len("·user\n·\n·assistant\n")
GREEDY = SamplingParams(temperature=0.0, max_tokens=40)
PROMPTS = {
    "owls": "Tell me of owls.",
    "x": "x" * 300,
    "this": "A longer question, this.",
    "why": "Why?",
    "night": ("night " * 13)[:77],
    "forest": "forest " * 11,
    "one": "1",
    "sum": "What is 1 + 1, and why?",
}


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


@pytest.fixture(autouse=True)
def _only_what_its_server_does(engine: Engine, request: pytest.FixtureRequest) -> None:
    if reason := engine.lacks.get(getattr(request.node, "originalname", "")):
        pytest.skip(f"{engine}: {reason}")


@pytest.fixture(scope="module")
def models(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("models")
    yield folder
    end_minerva(folder)


@pytest.fixture(scope="module")
def scripted(engine: Engine, models: Path) -> Iterator[RunnerProcess]:
    with engine.running(engine.scripted(models / f"scripted{engine.ending}", TEXT)) as runner:
        yield runner


@pytest.fixture(scope="module")
def arbitrary(engine: Engine, models: Path) -> Iterator[RunnerProcess]:
    path = engine.random(models / f"random{engine.ending}", seed=engine.seed)
    with engine.running(path, speculation=False) as runner:
        yield runner


@pytest.fixture(scope="module")
def forgetful(engine: Engine, models: Path) -> Iterator[RunnerProcess]:
    """Its text does not depend on how attention is rounded; its context window is small."""
    path = engine.random(models / f"forgetful{engine.ending}", remembers=False)
    with engine.running(path, context_window=512) as runner:
        yield runner


# -- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampling", [SamplingParams(), SamplingParams(temperature=0.0)])
def test_the_text_of_the_model_arrives_exactly(scripted, sampling):
    events = scripted.complete("Hello", sampling)

    assert text_of(events) == TEXT
    assert finished(events).reason is FinishReason.STOP
    usage = finished(events).usage
    assert usage.prompt_tokens == (AROUND + 5 if usage.is_exact else 0)


@pytest.mark.parametrize("stop", ["two", "one two th", "👩‍👧", "世", "```\n\n* the"])
def test_a_completion_ends_before_a_stop_sequence_inside_or_across_tokens(engine, scripted, stop):
    events = scripted.complete("Hello", SamplingParams(stop=("never said", stop)))

    assert text_of(events) == TEXT[: TEXT.index(stop)]
    assert finished(events).reason is FinishReason.STOP
    if engine.serving is None:  # most servers do not tell which it was
        assert finished(events).stop == stop


def test_the_text_is_whole_when_a_stop_sequence_only_begins(scripted):
    events = scripted.complete("Hello", SamplingParams(stop=("one two four", "\t\nand")))

    assert text_of(events) == TEXT


def test_thinking_and_tool_calls_are_told_apart_from_the_answer(engine, models):
    said = '<think>Owls.</think>Look:\n<tool_call>\n{"name": "find", "arguments": {"of": "owls"}}\n</tool_call>'
    with engine.running(engine.scripted(models / f"tools{engine.ending}", said)) as runner:
        runner.send(Start("one", user("Hi"), SamplingParams(), tools=(Tool("find"),)))
        runner.read_to_end("one")

    events = runner.of("one")
    deltas = [event for event in events if isinstance(event, Delta)]
    assert "".join(one.text for one in deltas if one.is_reasoning) == "Owls."
    assert "".join(one.text for one in deltas if not one.is_reasoning).strip() == "Look:"
    (call,) = [event for event in events if isinstance(event, ToolCall)]
    assert (call.name, call.arguments) == ("find", '{"of": "owls"}')
    assert finished(events).reason is FinishReason.TOOL_CALLS


def test_how_likely_tokens_were_is_told(engine, arbitrary):
    events = arbitrary.complete("Hi", SamplingParams(logprobs=5, max_tokens=8, seed=1))

    tokens = [one for event in events if isinstance(event, Delta) for one in event.tokens]
    assert len(tokens) > 0
    for token in tokens:
        likeliest = [one.logprob for one in token.top]
        # A server may tell two tokens with the same text as one.
        assert len(likeliest) == 5 or (engine.serving and 0 < len(likeliest) < 5)
        assert likeliest == sorted(likeliest, reverse=True)
        assert sum(map(math.exp, likeliest)) <= 1.0001
        assert token.chosen.logprob <= likeliest[0]


def test_a_text_becomes_tokens_and_tokens_become_the_text(scripted):
    scripted.send(Tokenize("split", text=TEXT))
    scripted.read_to_end("split")

    (tokens,) = [event for event in scripted.of("split") if isinstance(event, Tokens)]
    assert b"".join(tokens.pieces) == TEXT.encode()
    assert tokens.count == len(TEXT.encode())


# -- several at once ------------------------------------------------------------------------------


def test_eight_mixed_prompts_have_the_same_text_in_a_batch_and_alone(arbitrary):
    expected = alone(arbitrary, PROMPTS, GREEDY)

    assert together(arbitrary, PROMPTS, GREEDY) == expected
    assert len(set(expected)) == len(PROMPTS)


def test_seeded_text_is_the_same_again_and_in_a_batch(forgetful):
    seeded = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, seed=42, max_tokens=24)
    prompts = {name: prompt for name, prompt in PROMPTS.items() if name != "x"}
    expected = alone(forgetful, prompts, seeded)

    assert alone(forgetful, prompts, seeded) == expected
    assert together(forgetful, prompts, seeded) == expected


def test_text_differs_when_there_is_no_seed_or_another_one(arbitrary):
    sampling = [SamplingParams(temperature=1.5, seed=seed, max_tokens=40) for seed in (1, 2)]
    unseeded = SamplingParams(temperature=1.5, max_tokens=40)

    texts = {text_of(arbitrary.complete("Why?", one)) for one in [*sampling, unseeded, unseeded]}

    assert len(texts) == 4


def test_a_cancelled_stream_ends_and_the_others_go_on_unchanged(arbitrary):
    others = {name: PROMPTS[name] for name in ("night", "forest")}
    expected = alone(arbitrary, others, GREEDY)
    arbitrary.start("gone", "Why?", SamplingParams(max_tokens=1500))
    for name, prompt in others.items():
        arbitrary.events.pop(name, None)
        arbitrary.start(name, prompt, GREEDY)
    arbitrary.read_until(lambda: all(arbitrary.has(one, Delta) for one in ["gone", *others]))

    arbitrary.cancel("gone")
    arbitrary.read_to_end("gone", *others)

    assert finished(arbitrary.of("gone")).reason is FinishReason.CANCELLED
    assert [arbitrary.text(name) for name in others] == expected


def test_a_prompt_is_cancelled_while_it_is_computed(engine, models):
    path = engine.random(
        models / f"slow{engine.ending}", layers=4, width=256, context_length=16_384
    )
    with engine.running(path, context_window=16_384, batch_tokens=128) as runner:
        runner.start("long", "x" * 16_000)
        runner.read_until(lambda: runner.has("long", Prefill))

        runner.send(Cancel("long"))
        runner.read_to_end("long")

        end = finished(runner.of("long"))
        assert (end.reason, end.usage.completion_tokens) == (FinishReason.CANCELLED, 0)
        computed = [one for one in runner.of("long") if isinstance(one, Prefill)][-1]
        assert computed.num_computed_tokens < 16_000
        assert finished(runner.complete("Hi", GREEDY)).usage.completion_tokens == 40


def test_a_next_turn_goes_on_from_what_is_kept_of_the_last_one(arbitrary):
    first = (ChatMessage("user", "Tell me of owls. " * 10),)
    arbitrary.start_chat("first", first, GREEDY, user="ada")
    arbitrary.read_to_end("first")
    said = ChatMessage("assistant", arbitrary.text("first"))
    second = (*first, said, ChatMessage("user", "And mice?"))
    for name, who in (("warm", "ada"), ("cold", "grace")):
        arbitrary.start_chat(name, second, GREEDY, user=who)
        arbitrary.read_to_end(name)

    assert finished(arbitrary.of("warm")).usage.cached_tokens > 170
    assert finished(arbitrary.of("cold")).usage.cached_tokens == 0
    assert arbitrary.text("warm") == arbitrary.text("cold")


# -- limits and bad requests ----------------------------------------------------------------------


def test_a_chat_that_does_not_fit_is_refused_or_goes_on_without_its_oldest_turns(forgetful):
    said = [
        ChatMessage(role, f"{number} " + "x" * 40)
        for number in range(20)
        for role in ("user", "assistant")
    ]
    prompt = (*said, ChatMessage("user", "And now?"))
    sampling = SamplingParams(max_tokens=4)
    forgetful.send(Start("refused", prompt, sampling))
    forgetful.send(Start("shorter", prompt, sampling, overflow="drop_oldest"))
    forgetful.read_to_end("refused", "shorter")

    assert failed(forgetful.of("refused")).error.code == "context_window_exceeded"
    assert any(isinstance(event, Shortened) for event in forgetful.of("shorter"))
    assert isinstance(forgetful.of("shorter")[-1], Finished)


def test_a_completion_ends_where_the_context_window_does(forgetful):
    events = forgetful.complete("Hi", SamplingParams(seed=3))

    usage = finished(events).usage
    assert finished(events).reason is FinishReason.LENGTH
    assert usage.prompt_tokens + usage.completion_tokens == 512


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(temperature=float("nan")),
        SamplingParams(top_k=-1),
        SamplingParams(top_p=1.5),
        SamplingParams(max_tokens=0),
        SamplingParams(stop=("",)),
        SamplingParams(logit_bias=((10**6, 1.0),)),
        SamplingParams(logit_bias=((-1, 1.0),)),
        SamplingParams(logit_bias=((1, float("inf")),)),
    ],
)
def test_a_bad_request_is_refused_and_the_next_one_is_answered(engine, scripted, sampling):
    if engine.serving and any(token >= 0 for token, bias in sampling.logit_bias if bias == 1.0):
        pytest.skip("only the server knows its tokens")
    assert failed(scripted.complete("Hi", sampling)).error.code == "invalid_request"
    assert text_of(scripted.complete("Hello")) == TEXT


def test_more_candidates_than_tokens_are_all_tokens(scripted):
    events = scripted.complete("Hi", SamplingParams(top_k=1_000_000))

    assert text_of(events) == TEXT


def test_a_prompt_without_a_token_is_refused(scripted):
    scripted.send(Start("empty", (), SamplingParams()))
    scripted.read_to_end("empty")

    assert failed(scripted.of("empty")).error.code == "invalid_request"


def test_all_samplers_together_give_the_text_of_a_model_that_knows_what_to_say(scripted):
    sampling = SamplingParams(
        typical_p=0.9,
        dynatemp_range=0.2,
        repeat_penalty=1.1,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        xtc_probability=0.5,
        logit_bias=((0, -5.0),),
    )

    assert text_of(scripted.complete("Hi", sampling)) == TEXT


@pytest.mark.parametrize(
    ("feature", "sampling"),
    [
        (Feature.DRY, SamplingParams(dry_multiplier=0.1)),
        (Feature.MIROSTAT, SamplingParams(mirostat=2)),
        (Feature.STRUCTURED_OUTPUT, SamplingParams(output=OutputFormat(choices=(TEXT, "No")))),
    ],
)
def test_what_an_engine_does_not_do_is_refused_in_words(engine, scripted, feature, sampling):
    events = scripted.complete("Hi", sampling)

    if engine.can(feature):
        assert text_of(events) == TEXT
    else:
        assert "GGUF" in failed(events).error.message
        assert text_of(scripted.complete("Hello")) == TEXT


def test_embeddings_are_made_or_refused(engine, arbitrary):
    arbitrary.send(Embed("vectors", ("owls",)))
    arbitrary.read_to_end("vectors")

    if engine.can(Feature.EMBEDDINGS):
        assert any(isinstance(event, Embedding) for event in arbitrary.of("vectors"))
    else:
        (end,) = arbitrary.of("vectors")
        assert isinstance(end, Failed)
        assert engine.serving or "GGUF" in end.error.message


def test_a_hostile_template_fails_its_requests_and_nothing_else(engine, models):
    template = "{% if messages[0].content == 'bomb' %}{{ 'a' * 10**9 }}{% endif %}\n{{ 1 }}"
    path = engine.scripted(models / f"hostile{engine.ending}", "Yes.", chat_template=template)

    with engine.running(path) as runner:
        assert failed(runner.complete("bomb")).error.code == "chat_template_failed"
        assert text_of(runner.complete("Hello")) == "Yes."


# -- a process ------------------------------------------------------------------------------------


def test_loading_tells_how_far_it_is_what_computes_and_where(engine, scripted):
    loaded = scripted.loaded

    assert loaded.engine.startswith(engine.capabilities.name)
    assert loaded.device.split(":")[0] in engine.capabilities.devices
    assert scripted.progress == sorted(scripted.progress)
    assert scripted.progress[-1] == 1.0


def test_the_process_and_its_child_are_gone_when_the_service_hangs_up(engine, models):
    path = engine.scripted(models / f"left{engine.ending}", "owl " * 400)
    with engine.running(path) as runner:
        runner.start("one", "Hello")
        runner.read_until(lambda: runner.has("one", Delta))
        children = [psutil.Process(child) for child in runner.children()]

        runner.connection.close()

        runner.process.wait(PATIENCE_SECONDS)
        assert psutil.wait_procs(children, timeout=PATIENCE_SECONDS)[1] == []


def user(text: str) -> tuple[ChatMessage, ...]:
    return (ChatMessage("user", text),)
