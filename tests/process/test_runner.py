"""The runner as the service has it: a real process, a real model, messages over a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from inference.messages import (
    Heartbeat,
    LoadFailed,
    LoadModel,
    LoadProgress,
    LoadSettings,
    Start,
)
from inference.types import (
    ChatMessage,
    Delta,
    Failed,
    Finished,
    FinishReason,
    ModelSpec,
    OutputFormat,
    Prefill,
    Queued,
    SamplingParams,
    Shortened,
)
from tests.made_models import write_random_model, write_scripted_model
from tests.process.runner_process import (
    PATIENCE_SECONDS,
    RunnerProcess,
    alone,
    failed,
    finished,
    running,
    text_of,
    together,
)

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

TEXT = 'Grüße, 世界! 👩‍👩‍👧 and 🦉\n\n```python\nprint("one two three")\n```\n\n* the end\t\n'
# Every byte of a prompt is a token of the made models; so much is added by their chat template.
AROUND = len("·user\n·\n·assistant\n")
WINDOW = 256
MEGABYTE = 10**6
GREEDY = SamplingParams(temperature=0.0, max_tokens=40)
# Rounding differs between a batch and one alone. With this model and these prompts the best token
# leads by 0.17 at least all along, several times what rounding moves it.
SEED = 35
LONG_PROMPTS = {"night": ("night " * 13)[:77], "forest": ("forest " * 11)}
PROMPTS = {"owls": "Tell me of owls.", "x": "x" * 300, "this": "A longer question, this."}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def scripted(models: Path) -> Iterator[RunnerProcess]:
    with running(write_scripted_model(models / "scripted.gguf", TEXT)) as runner:
        yield runner


@pytest.fixture(scope="module")
def arbitrary(models: Path) -> Iterator[RunnerProcess]:
    with running(write_random_model(models / "random.gguf", seed=SEED)) as runner:
        yield runner


@pytest.fixture(scope="module")
def narrow(models: Path) -> Iterator[RunnerProcess]:
    """Its context window, and with it the cache of all its sequences, is small."""
    path = write_random_model(models / "narrow.gguf", seed=SEED)
    with running(path, context_window=WINDOW) as runner:
        yield runner


@pytest.fixture(scope="module")
def forgetful(models: Path) -> Iterator[RunnerProcess]:
    """Its text does not depend on how attention is rounded."""
    path = write_random_model(models / "forgetful.gguf", remembers=False)
    with running(path) as runner:
        yield runner


@pytest.fixture
def unloaded() -> Iterator[RunnerProcess]:
    runner = RunnerProcess()
    try:
        yield runner
    finally:
        runner.close()


# -- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampling", [SamplingParams(), SamplingParams(temperature=0.0)])
def test_the_text_of_the_model_arrives_exactly(scripted, sampling):
    events = scripted.complete("Hello", sampling)

    assert text_of(events) == TEXT
    assert finished(events).reason is FinishReason.STOP
    assert all("\N{REPLACEMENT CHARACTER}" not in one.text for one in events if type(one) is Delta)


def test_a_prompt_is_computed_then_text_comes_then_one_end(scripted):
    events = scripted.complete("Hello")

    assert events[0] == Prefill(AROUND + 5, AROUND + 5)
    assert {type(event) for event in events[1:-1]} == {Delta}
    counts = [event.num_tokens for event in events if isinstance(event, Delta)]
    assert counts == sorted(set(counts))
    usage = finished(events).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (AROUND + 5, counts[-1])


@pytest.mark.parametrize("stop", ["two", "one two th", "👩‍👧", "世", "```\n\n* the"])
def test_a_completion_ends_before_a_stop_sequence_inside_or_across_tokens(scripted, stop):
    events = scripted.complete("Hello", SamplingParams(stop=("never said", stop)))

    assert text_of(events) == TEXT[: TEXT.index(stop)]
    assert finished(events).reason is FinishReason.STOP


def test_the_text_is_whole_when_a_stop_sequence_only_begins(scripted):
    events = scripted.complete("Hello", SamplingParams(stop=("one two four", "\t\nand")))

    assert text_of(events) == TEXT


def test_a_completion_ends_at_its_limit(arbitrary):
    events = arbitrary.complete("Hello", SamplingParams(max_tokens=7))

    assert finished(events).reason is FinishReason.LENGTH
    assert finished(events).usage.completion_tokens == 7


# -- several at once ------------------------------------------------------------------------------


def test_greedy_text_is_the_same_in_a_batch_and_alone(arbitrary):
    expected = alone(arbitrary, PROMPTS, GREEDY)

    assert together(arbitrary, PROMPTS, GREEDY) == expected
    assert len(set(expected)) == len(PROMPTS)


def test_seeded_text_is_the_same_again_and_in_a_batch(forgetful):
    seeded = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, seed=42, max_tokens=60)
    expected = alone(forgetful, PROMPTS, seeded)

    assert alone(forgetful, PROMPTS, seeded) == expected
    assert together(forgetful, PROMPTS, seeded) == expected


def test_text_differs_when_there_is_no_seed_or_another_one(arbitrary):
    sampling = [SamplingParams(temperature=1.5, seed=seed, max_tokens=40) for seed in (1, 2)]
    unseeded = SamplingParams(temperature=1.5, max_tokens=40)

    texts = {text_of(arbitrary.complete("Why?", one)) for one in [*sampling, unseeded, unseeded]}

    assert len(texts) == 4


def test_a_cancelled_stream_ends_and_the_others_go_on_unchanged(arbitrary):
    expected = alone(arbitrary, LONG_PROMPTS, GREEDY)
    arbitrary.start("gone", "Why?", SamplingParams(max_tokens=1500))
    for name, prompt in LONG_PROMPTS.items():
        arbitrary.start(name, prompt, GREEDY)
    arbitrary.read_until(lambda: all(arbitrary.has(one, Delta) for one in ["gone", *LONG_PROMPTS]))

    arbitrary.cancel("gone")
    arbitrary.read_to_end("gone", *LONG_PROMPTS)

    gone = finished(arbitrary.of("gone"))
    assert gone.reason is FinishReason.CANCELLED
    assert 0 < gone.usage.completion_tokens < 1500
    assert [arbitrary.text(name) for name in LONG_PROMPTS] == expected


def test_nothing_is_lost_when_streams_outgrow_the_cache_together(narrow):
    """Both are admitted at once, when the one before them ends: they fit then, and not at their end."""
    assert WINDOW < 2 * (77 + AROUND + 40)
    expected = alone(narrow, LONG_PROMPTS, GREEDY)
    narrow.start("before", "x" * 100)
    narrow.read_until(lambda: narrow.has("before", Delta))
    for name, prompt in LONG_PROMPTS.items():
        narrow.start(name, prompt, GREEDY)
    narrow.read_until(lambda: all(narrow.has(name, Queued) for name in LONG_PROMPTS))

    narrow.cancel("before")
    narrow.read_to_end("before", *LONG_PROMPTS)

    assert [narrow.text(name) for name in LONG_PROMPTS] == expected


# -- refused --------------------------------------------------------------------------------------


def test_a_prompt_that_leaves_room_for_one_token_gets_one(narrow):
    events = narrow.complete("x" * (WINDOW - AROUND - 1))

    assert finished(events).reason is FinishReason.LENGTH
    assert finished(events).usage.completion_tokens == 1


@pytest.mark.parametrize("length", [WINDOW - AROUND, WINDOW - AROUND + 1, 200_000])
def test_a_longer_prompt_is_refused_with_both_numbers_before_any_compute(narrow, length):
    events = narrow.complete("x" * length)

    assert len(events) == 1
    error = failed(events).error
    assert error.code == "context_window_exceeded"
    assert error.facts == {"prompt_tokens": AROUND + length, "context_window": WINDOW}


def test_a_value_out_of_bounds_is_refused_and_the_next_request_is_answered(scripted):
    events = scripted.complete("Hello", SamplingParams(temperature=float("nan")))

    assert failed(events).error.code == "invalid_request"
    assert text_of(scripted.complete("Hello")) == TEXT


def test_a_bias_for_a_token_that_is_not_there_is_refused_before_any_compute(scripted):
    events = scripted.complete("Hi", SamplingParams(logit_bias=((10**6, 1.0),)))

    (failed,) = events
    assert isinstance(failed, Failed)
    assert "token 1,000,000" in failed.error.message


def test_all_samplers_together_give_the_text_of_a_model_that_knows_what_to_say(scripted):
    sampling = SamplingParams(
        typical_p=0.9,
        dynatemp_range=0.2,
        repeat_penalty=1.1,
        presence_penalty=0.1,
        dry_multiplier=0.1,
        xtc_probability=0.5,
        logit_bias=((0, -5.0),),
    )

    assert text_of(scripted.complete("Hi", sampling)) == TEXT


def test_json_is_all_that_a_model_says_that_is_told_to(arbitrary):
    schema = '{"type": "object", "properties": {"kind": {"enum": ["owl", "mouse"]}}, "required": ["kind"]}'
    sampling = SamplingParams(output=OutputFormat(json_schema=schema), max_tokens=200)

    events = arbitrary.complete("Hi", sampling)

    assert finished(events).reason is FinishReason.STOP
    assert json.loads(text_of(events))["kind"] in ("owl", "mouse")


@pytest.mark.parametrize(
    "grammar", ["root ::= " + "(" * 60_000 + '"a"' + ")" * 60_000, "root ::= root"]
)
def test_a_grammar_that_would_end_the_process_or_says_nothing_is_refused(scripted, grammar):
    events = scripted.complete("Hi", SamplingParams(output=OutputFormat(grammar=grammar)))

    assert failed(events).error.code == "invalid_request"
    assert text_of(scripted.complete("Hello")) == TEXT


def chat(system: str, question: str) -> tuple[ChatMessage, ...]:
    return (ChatMessage("system", system), ChatMessage("user", question))


def cached_tokens(runner: RunnerProcess, name: str) -> int:
    end = runner.of(name)[-1]
    assert isinstance(end, Finished)
    return end.usage.cached_tokens


@pytest.mark.parametrize("shares", [True, False])
def test_a_system_prompt_is_computed_once_for_all_users_if_they_may_share(models, shares):
    system, path = "You are an owl. " * 8, write_random_model(models / "shared.gguf", seed=SEED)
    with running(path, share_system_prompts=shares) as runner:
        for user in ("ada", "grace"):
            runner.start_chat(user, chat(system, "Why? " * 20), GREEDY, user=user)
        runner.read_to_end("ada", "grace")
        runner.start_chat("again", chat(system, "Why? " * 20), GREEDY, user="ada")
        runner.read_to_end("again")

        public = len(f"·system\n{system}·\n·user\n") if shares else 0
        assert cached_tokens(runner, "ada") == 0
        assert cached_tokens(runner, "grace") == public
        assert cached_tokens(runner, "again") > public + len("Why? " * 20)
        assert runner.text("ada") == runner.text("grace") == runner.text("again")


def test_the_models_own_template_makes_the_prompt(models):
    template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    path = write_scripted_model(models / "own.gguf", "Yes.", chat_template=template)

    with running(path) as runner:
        assert finished(runner.complete("12345")).usage.prompt_tokens == 1 + 5


def test_a_hostile_template_fails_its_requests_and_nothing_else(models):
    template = "{% if messages[0].content == 'bomb' %}{{ 'a' * 10**9 }}{% endif %}\n"
    path = write_scripted_model(models / "hostile.gguf", "Yes.", chat_template=template + "{{ 1 }}")

    with running(path) as runner:
        assert failed(runner.complete("bomb")).error.code == "chat_template_failed"
        assert text_of(runner.complete("Hello")) == "Yes."


# -- a process ------------------------------------------------------------------------------------


def test_loading_tells_how_far_it_is_and_where_the_model_runs(unloaded, models):
    loaded = unloaded.load(write_random_model(models / "told.gguf"), gpu_layers=0)

    assert not isinstance(loaded, LoadFailed)
    assert (loaded.device, loaded.context_window) == ("CPU", 2048)
    assert unloaded.progress == sorted(unloaded.progress)
    assert unloaded.progress[-1] == 1.0


@pytest.mark.parametrize("kind", ["q8_0", "q4_0"])
def test_a_smaller_kv_cache_computes_too(models, kind):
    path = write_random_model(models / "cache.gguf", seed=SEED)

    with running(path, kv_cache_type=kind) as runner:
        assert finished(runner.complete("Hello", GREEDY)).usage.completion_tokens == 40


def test_a_kv_cache_that_the_model_cannot_have_is_refused_with_what_to_do(unloaded, models):
    path = write_random_model(models / "odd.gguf", width=96, head_size=24)

    refused = unloaded.load(path, kv_cache_type="q8_0")

    assert isinstance(refused, LoadFailed)
    assert "MINERVA_KV_CACHE_TYPE" in refused.error.message


@pytest.mark.parametrize("damage", ["garbage", "cut", "empty"])
def test_a_broken_file_is_refused_and_the_process_ends(unloaded, models, damage):
    whole = write_random_model(models / "whole.gguf").read_bytes()
    path = models / f"{damage}.gguf"
    path.write_bytes({"garbage": b"GGUF" * 999, "cut": whole[:-1000], "empty": b""}[damage])

    loaded = unloaded.load(path)

    assert isinstance(loaded, LoadFailed)
    assert loaded.error.code == "model_file_invalid"
    assert unloaded.process.wait(PATIENCE_SECONDS) == 1


@pytest.mark.parametrize("moment", ["before", "loading", "idle", "decoding"])
def test_the_process_and_its_child_are_gone_when_the_service_hangs_up(models, moment):
    runner = RunnerProcess()
    path = write_random_model(models / f"{moment}.gguf", layers=8, width=512)
    try:
        bring_to(runner, moment, path)
        children = [psutil.Process(child) for child in runner.children()]

        runner.connection.close()

        runner.process.wait(PATIENCE_SECONDS)
        assert bool(children) == (moment in ("idle", "decoding"))
        assert psutil.wait_procs(children, timeout=PATIENCE_SECONDS)[1] == []
    finally:
        runner.close()


def bring_to(runner: RunnerProcess, moment: str, path: Path) -> None:
    if moment == "loading":
        spec = ModelSpec(model_id="m", name="m", path=str(path))
        runner.send(LoadModel(spec, LoadSettings()))
        while not isinstance(runner.receive(), LoadProgress):
            pass
    elif moment != "before":
        runner.load(path)
    if moment == "decoding":
        runner.start("one", "Hello")
        runner.read_until(lambda: runner.has("one", Delta))


def test_the_process_needs_little_more_than_the_models_file(models):
    path = write_random_model(models / "large.gguf", layers=12, width=768)

    with running(path) as runner:
        together(runner, PROMPTS, GREEDY)
        resident = psutil.Process(runner.process.pid).memory_info().rss

    assert resident <= path.stat().st_size + 150 * MEGABYTE


def test_signs_of_life_count_the_steps_of_the_engine(arbitrary):
    arbitrary.complete("Hello", GREEDY)
    seen = len(arbitrary.heartbeats)

    arbitrary.read_until(lambda: len(arbitrary.heartbeats) > seen)

    beat = arbitrary.heartbeats[-1]
    assert beat.num_steps >= 40  # tokens of this completion; others came before
    assert beat == Heartbeat(beat.num_steps, num_running=0, num_waiting=0)


def test_a_chat_that_does_not_fit_goes_on_without_its_oldest_turns_if_it_may(narrow):
    said = [
        ChatMessage(role, f"{number} " + "x" * 40)
        for number in range(20)
        for role in ("user", "assistant")
    ]
    prompt = (*said, ChatMessage("user", "And now?"))
    sampling = SamplingParams(max_tokens=4)
    narrow.send(Start("refused", prompt, sampling))
    narrow.send(Start("shorter", prompt, sampling, overflow="drop_oldest"))
    narrow.send(
        Start("huge", (ChatMessage("user", "x" * 5_000),), sampling, overflow="drop_oldest")
    )
    narrow.read_to_end("refused", "shorter", "huge")

    for name in ("refused", "huge"):
        (end,) = narrow.of(name)
        assert isinstance(end, Failed)
        assert end.error.code == "context_window_exceeded"
    (shortened,) = [event for event in narrow.of("shorter") if isinstance(event, Shortened)]
    assert 0 < shortened.num_messages < len(prompt)
    assert shortened.num_messages % 2 == 0
    assert isinstance(narrow.of("shorter")[-1], Finished)


@pytest.mark.parametrize("draft", ["random", "scripted", "broken", "gone"])
def test_a_draft_model_changes_no_text_and_one_of_no_use_is_left_out(models, draft):
    path = write_random_model(models / "large.gguf", seed=SEED)
    drafts = {
        "random": write_random_model(models / "random-draft.gguf", seed=1),
        "scripted": write_scripted_model(models / "scripted-draft.gguf", TEXT),
        "broken": models / "broken-draft.gguf",
        "gone": models / "gone.gguf",
    }
    drafts["broken"].write_bytes(b"GGUF" + b"\xff" * 100)
    texts = []
    for settings in ({"draft_model": str(drafts[draft])}, {"speculation": False}):
        with running(path, **settings) as runner:
            runner.complete(PROMPTS["owls"], GREEDY)
            texts.append(runner.text())

    assert texts[0] == texts[1]
    assert len(texts[0]) > 0
