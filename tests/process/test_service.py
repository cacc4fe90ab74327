"""The inference service as a process, with real runners that compute models made here."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
import pytest_asyncio

from inference.errors import (
    ContextWindowExceeded,
    GenerationNotFound,
    InvalidRequest,
    ModelFileInvalid,
    ModelUnloaded,
    RunnerCrashed,
    ServiceUnavailable,
)
from inference.lifeline import LIFELINE_VARIABLE
from inference.types import (
    BreakerStatus,
    Delta,
    Embedding,
    EmbeddingRequest,
    Event,
    Failed,
    Finished,
    FinishReason,
    Loading,
    ModelState,
    Prefill,
    SamplingParams,
)
from tests.made_encoder import write_encoder
from tests.made_models import write_random_model, write_scripted_model
from tests.process.service_process import (
    ServiceProcess,
    has_ended,
    request_to,
    spec_of,
    text_of,
    wait_until,
)

pytestmark = pytest.mark.process

TEXT = "A vixen, 狐, said “hello” to her cubs 🦊🦊.\n\nThen they slept.\n"
RSS_LIMIT = 60 * 1024 * 1024


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scripted_model(tmp_path_factory.mktemp("models") / "scripted.gguf", TEXT)


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes a few hundred tokens a second, to the end of its context window if nobody stops it."""
    path = tmp_path_factory.mktemp("models") / "endless.gguf"
    return write_scripted_model(path, "All work and no play. ", loop=True, layers=12, width=256)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: that of a unix socket may not be long."""
    with tempfile.TemporaryDirectory(prefix="minerva-") as name:
        yield Path(name)


@pytest_asyncio.fixture
async def service(folder: Path) -> AsyncIterator[ServiceProcess]:
    with ServiceProcess(folder) as service:
        yield service


def failure(events: list[Event]) -> str:
    last = events[-1]
    assert isinstance(last, Failed)
    return last.error.code


# -- an answer ----------------------------------------------------------------------------------


async def test_an_answer_is_the_exact_text_of_the_model_with_its_counts(service, scripted):
    log = await service.read_log(await service.start(scripted))
    events = [logged.event for logged in log]
    last = events[-1]

    assert text_of(events) == TEXT
    assert [logged.number for logged in log] == list(range(1, len(log) + 1))
    assert isinstance(last, Finished)
    assert last.reason is FinishReason.STOP
    assert last.usage.completion_tokens > 0
    assert last.timings.time_to_first_token is not None
    assert last.timings.time_to_first_token <= last.timings.total


async def test_the_first_request_sees_the_load_and_the_prompt_before_the_text(service, scripted):
    events = await service.complete(scripted)
    kinds = [type(event) for event in events]

    assert kinds.index(Loading) < kinds.index(Prefill) < kinds.index(Delta)
    assert sum(isinstance(event, Finished | Failed) for event in events) == 1


async def test_the_same_id_twice_is_one_generation(service, scripted):
    name = await service.start(scripted)
    await service.start(scripted, generation_id=name)

    assert text_of(await service.read(name)) == TEXT


async def test_readers_at_any_time_and_place_get_the_same_log(service, scripted):
    name = await service.start(scripted)
    one, other = await asyncio.gather(service.read_log(name), service.read_log(name))
    late = await service.read_log(name)
    middle = len(one) // 2

    assert one == other == late
    assert await service.read_log(name, after=middle) == one[middle:]


async def test_a_reader_that_leaves_ends_nothing(service, endless):
    name = await service.start(endless)
    await service.until_it_writes(name, num_deltas=3)

    assert name in (await service.client.status()).generations


async def test_a_forgotten_log_is_gone(service, scripted):
    name = await service.start(scripted)
    await service.read(name)
    await service.client.forget(name)

    with pytest.raises(GenerationNotFound):
        await service.read(name)


async def test_a_request_out_of_bounds_is_refused_before_anything_is_loaded(service, scripted):
    sampling = SamplingParams(temperature=-1)
    request = msgspec.structs.replace(request_to(scripted, "one"), sampling=sampling)

    with pytest.raises(InvalidRequest, match="temperature"):
        await service.client.generate(request)

    assert service.runners() == []


async def test_a_prompt_that_exceeds_the_window_fails_with_both_numbers(service, scripted):
    name = await service.start(scripted, prompt="x" * 5000)
    last = (await service.read(name))[-1]

    assert isinstance(last, Failed)
    assert last.error.code == "context_window_exceeded"
    assert last.error.facts["context_window"] == 2048
    assert int(last.error.facts["prompt_tokens"]) > 5000


async def test_two_answers_are_written_at_the_same_time(service, endless):
    one, other = await service.start(endless), await service.start(endless)
    await asyncio.gather(
        service.until_it_writes(one, num_deltas=5), service.until_it_writes(other, num_deltas=5)
    )
    status = await service.status_of(endless)

    assert status is not None
    assert status.num_running == 2


# -- stop ---------------------------------------------------------------------------------------


async def test_stop_ends_an_answer_and_keeps_its_text(service, endless):
    name = await service.start(endless)
    await service.until_it_writes(name, num_deltas=3)
    await service.client.stop(name)
    events = await service.read(name)
    last = events[-1]

    assert isinstance(last, Finished)
    assert last.reason is FinishReason.CANCELLED
    assert last.usage.completion_tokens > 0
    assert text_of(events).startswith("All work")


async def test_nothing_is_written_after_the_quarter_second_that_follows_a_stop(service, endless):
    name = await service.start(endless)
    await service.until_it_writes(name, num_deltas=3)
    written_at: list[float] = []
    await service.client.stop(name)
    stopped_at = time.monotonic()
    async for logged in service.client.attach(name):
        if isinstance(logged.event, Delta):
            written_at.append(time.monotonic())

    assert max(written_at) < stopped_at + 0.25


async def test_the_engine_takes_the_next_request_after_a_stop(service, endless):
    stopped = await service.start(endless)
    await service.until_it_writes(stopped)
    await service.client.stop(stopped)
    runners = service.runners()
    while (await service.status_of(endless)).num_running:
        await asyncio.sleep(0.01)
    following = await service.start(endless)
    await service.until_it_writes(following)

    assert service.runners() == runners


async def test_stop_of_the_unknown_and_of_the_ended_is_nothing(service, scripted):
    name = await service.start(scripted)
    events = await service.read(name)
    await service.client.stop(name)
    await service.client.stop("never heard of")

    assert await service.read(name) == events


# -- models -------------------------------------------------------------------------------------


async def test_thirty_clients_of_an_unloaded_model_start_one_runner(service, scripted):
    texts = await asyncio.gather(*(service.complete(scripted) for _ in range(30)))

    assert [text_of(events) for events in texts] == [TEXT] * 30
    assert len(service.runners()) == 1


async def test_a_loaded_model_says_where_it_is(service, scripted):
    await service.complete(scripted)
    status = await service.status_of(scripted)

    assert status is not None
    assert (status.state, status.device, status.fallback) == (ModelState.READY, "CPU", "")
    assert status.context_window == 2048
    assert status.memory > 0
    assert [status.runner_pid] == [runner.pid for runner in service.runners()]


async def test_what_a_load_would_do_is_told_and_not_done(service, scripted, endless):
    await service.complete(scripted)

    plan = await service.client.foresee(spec_of(endless))
    again = await service.client.foresee(spec_of(scripted))

    assert (plan.verdict, plan.models) == ("fits", ())
    assert plan.free > plan.needed > endless.stat().st_size
    assert again.verdict == "loaded"
    assert len(service.runners()) == 1


@pytest.mark.parametrize("flash_attention", ["on", "off"])
async def test_a_model_answers_the_same_in_small_batches(service, scripted, flash_attention):
    own = msgspec.structs.replace(
        spec_of(scripted), batch_tokens=32, flash_attention=flash_attention
    )
    request = request_to(scripted, f"batches-{flash_attention}", "Hello " * 50)
    await service.client.generate(msgspec.structs.replace(request, model=own))

    assert text_of(await service.read(request.generation_id)) == TEXT


async def test_unload_ends_the_runner_and_its_answers(service, endless):
    name = await service.start(endless)
    await service.until_it_writes(name)
    await service.client.unload(endless.stem)

    assert failure(await service.read(name)) == ModelUnloaded.code
    await wait_until(lambda: service.runners() == [])


async def test_an_idle_model_is_unloaded_and_loaded_again(folder, scripted):
    with ServiceProcess(folder, "--idle-unload-seconds", "1") as service:
        await service.complete(scripted)
        first = service.runners()
        await wait_until(lambda: service.runners() == [])
        await service.complete(scripted)

        assert first != service.runners()


async def test_a_broken_file_fails_with_its_reason(service, tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + os.urandom(4096))
    last = (await service.complete(broken))[-1]
    status = await service.status_of(broken)

    assert isinstance(last, Failed)
    assert last.error.code == ModelFileInvalid.code
    assert status is not None
    assert (status.state, status.error) == (ModelState.FAILED, last.error)


async def test_a_cut_file_fails_and_leaves_the_service_to_the_others(service, scripted, tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(scripted.read_bytes()[:-20_000])
    failed, answered = await asyncio.gather(service.complete(cut), service.complete(scripted))

    assert failure(failed) == ModelFileInvalid.code
    assert text_of(answered) == TEXT


# -- death --------------------------------------------------------------------------------------


async def test_a_killed_runner_fails_its_answer_with_the_text_so_far(service, endless):
    name = await service.start(endless)
    await service.until_it_writes(name, num_deltas=3)
    await service.kill_runner(endless)
    events = await service.read(name)

    assert failure(events) == RunnerCrashed.code
    assert text_of(events).startswith("All work")


async def test_a_killed_runner_is_replaced_by_the_next_request(service, scripted):
    await service.complete(scripted)
    await service.kill_runner(scripted)

    assert text_of(await service.complete(scripted)) == TEXT


async def test_a_killed_runner_touches_no_other_model(service, endless, tmp_path):
    other = write_random_model(tmp_path / "other.gguf", layers=12, width=256)
    victim, bystander = await service.start(endless), await service.start(other)
    await asyncio.gather(service.until_it_writes(victim), service.until_it_writes(bystander))
    await service.kill_runner(endless)

    assert failure(await service.read(victim)) == RunnerCrashed.code
    await service.client.stop(bystander)
    assert isinstance((await service.read(bystander))[-1], Finished)


async def test_a_killed_service_leaves_no_runner_behind(service, endless):
    await service.until_it_writes(await service.start(endless))
    processes = [*service.runners(), *service.runners()[0].children()]
    service.process.kill()
    service.process.wait()

    await wait_until(lambda: all(map(has_ended, processes)), seconds=2)


async def test_a_new_service_answers_where_a_killed_one_did(folder, scripted):
    with ServiceProcess(folder) as killed:
        await killed.client.status()
        killed.process.kill()
        killed.process.wait()
    with ServiceProcess(folder) as service:
        assert text_of(await service.complete(scripted)) == TEXT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_answers_runners_and_the_service(service, endless, number):
    name = await service.start(endless)
    await service.until_it_writes(name)
    reading = asyncio.create_task(service.read(name))
    await service.until_it_writes(name, num_deltas=5)
    runners = service.runners()
    service.process.send_signal(number)
    last = (await reading)[-1]

    assert isinstance(last, Failed)
    assert last.error.code == ServiceUnavailable.code
    assert service.process.wait(timeout=30) == 0
    assert not any(runner.is_running() for runner in runners)
    assert not service.socket.exists()


async def test_the_service_ends_with_its_lifeline(folder):
    read_end, write_end = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "inference", "--socket", str(folder / "s.sock")],
        env={**os.environ, LIFELINE_VARIABLE: str(read_end)},
        pass_fds=[read_end],
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(read_end)
        await wait_until((folder / "s.sock").exists)
        os.close(write_end)

        assert process.wait(timeout=30) != 0


# -- the process --------------------------------------------------------------------------------


async def test_the_service_itself_stays_small(service, scripted):
    await asyncio.gather(*(service.complete(scripted) for _ in range(30)))

    assert psutil.Process(service.process.pid).memory_info().rss < RSS_LIMIT


async def test_its_socket_is_closed_to_other_users(service):
    await service.client.status()

    assert stat.S_IMODE(service.socket.stat().st_mode) == 0o600


async def test_a_second_service_on_the_same_socket_is_refused(service, folder):
    await service.client.status()
    second = subprocess.run(
        [sys.executable, "-m", "inference", "--socket", str(service.socket)],
        capture_output=True,
        text=True,
    )

    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert (await service.client.status()).pid == service.process.pid


async def test_garbage_at_the_socket_costs_only_its_own_connection(service):
    await service.client.status()
    reader, writer = await asyncio.open_unix_connection(service.socket)
    writer.write(b"\xff\xff\xff\xff" + b"GET / HTTP/1.1\r\n\r\n" * 10)
    assert b"invalid_request" in await reader.read()
    writer.close()

    assert (await service.client.status()).pid == service.process.pid


async def test_a_load_without_a_request_makes_the_model_ready(service, scripted):
    await service.client.load(spec_of(scripted))
    async with asyncio.timeout(60):
        while (status := await service.status_of(scripted)) is None or (
            status.state is not ModelState.READY
        ):
            await asyncio.sleep(0.02)

    assert text_of(await service.complete(scripted)) == TEXT


def embedding_request(path: Path, *inputs: str, name: str = "vectors") -> EmbeddingRequest:
    return EmbeddingRequest(generation_id=name, model=spec_of(path), inputs=inputs)


async def test_embeddings_come_one_by_one_in_the_order_of_their_texts(service, tmp_path):
    path = write_encoder(tmp_path / "encoder.gguf")
    texts = ("Tell me of the owls.", "the moon", "Tell me of the owls.")
    await service.client.generate(embedding_request(path, *texts))

    events = await service.read("vectors")

    vectors = [event for event in events if isinstance(event, Embedding)]
    assert [one.index for one in vectors] == [0, 1, 2]
    assert vectors[0].vector == vectors[2].vector != vectors[1].vector
    assert all(len(one.vector) == 64 * 4 for one in vectors)
    end = events[-1]
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.completion_tokens) == (FinishReason.STOP, 0)
    assert end.usage.prompt_tokens > 10


async def test_a_chat_with_an_embedding_model_fails_and_says_why(service, tmp_path):
    path = write_encoder(tmp_path / "encoder.gguf")
    await service.start(path, generation_id="chat")

    end = (await service.read("chat"))[-1]

    assert isinstance(end, Failed)
    assert "embeddings" in end.error.message


async def test_a_text_too_long_to_embed_fails_with_both_numbers(service, tmp_path):
    path = write_encoder(tmp_path / "encoder.gguf", context_length=256)
    await service.client.generate(embedding_request(path, "moon", "owl " * 255))

    end = (await service.read("vectors"))[-1]

    assert isinstance(end, Failed)
    assert end.error.code == ContextWindowExceeded.code
    assert (end.error.facts["prompt_tokens"], end.error.facts["context_window"]) == (257, 256)


async def test_embeddings_of_no_text_are_refused(service, tmp_path):
    with pytest.raises(InvalidRequest):
        await service.client.generate(embedding_request(tmp_path / "any.gguf"))


async def test_stop_ends_embeddings(service, endless):
    texts = ("the owl and the moon. " * 80,) * 100
    await service.client.generate(embedding_request(endless, *texts))
    async for logged in service.client.attach("vectors"):
        if isinstance(logged.event, Embedding):
            break
    await service.client.stop("vectors")

    events = await service.read("vectors")

    assert isinstance(end := events[-1], Finished)
    assert end.reason is FinishReason.CANCELLED
    assert sum(isinstance(event, Embedding) for event in events) < 100


# -- what an administrator looks at -----------------------------------------------------------------


async def test_details_tell_what_a_model_did_also_when_it_is_unloaded(service, scripted):
    before = time.time()
    events = await service.complete(scripted)
    details = await service.client.details(scripted.stem)
    status = details.status

    assert status.engine.startswith("llama.cpp")
    assert (status.num_gpu_layers, status.num_layers) == (0, 2)
    assert before <= status.loaded_at <= status.last_used_at <= time.time()
    assert status.num_answers == 1
    assert status.completion_tokens == events[-1].usage.completion_tokens
    assert status.prompt_tokens == events[-1].usage.prompt_tokens
    assert status.prompt_rate > 0
    assert status.decode_rate > 0

    await service.client.unload(scripted.stem)
    while (await service.status_of(scripted)) is not None:
        await asyncio.sleep(0.01)
    after = (await service.client.details(scripted.stem)).status
    assert after.state is ModelState.UNLOADED
    assert (after.loaded_at, after.engine) == (0.0, "")
    assert after.completion_tokens == status.completion_tokens
    assert after.last_used_at == pytest.approx(status.last_used_at, abs=0.1)


async def test_details_of_a_model_that_was_never_asked_for_are_empty(service):
    details = await service.client.details("unheard-of")

    assert details.status.state is ModelState.UNLOADED
    assert (details.log_tail, details.status.breaker) == ("", BreakerStatus())


async def test_tokens_are_counted_while_they_are_written(service, endless):
    name = await service.start(endless)
    await service.until_it_writes(name, num_deltas=20)

    status = (await service.client.details(endless.stem)).status

    assert status.completion_tokens >= 20
    assert status.num_answers == 0
    await service.client.stop(name)


async def test_the_log_of_a_failed_runner_stays_with_its_count(service, tmp_path):
    broken = tmp_path / "broken.gguf"
    write_random_model(broken)
    broken.write_bytes(broken.read_bytes()[:-100_000] + bytes(100_000 - 50_000))
    await service.client.load(spec_of(broken))
    while (status := await service.status_of(broken)) is None or not status.error:
        await asyncio.sleep(0.01)

    details = await service.client.details(broken.stem)

    assert details.status.error is not None
    assert details.status.breaker.num_failures == 1
    assert [one.message for one in details.status.breaker.failures] == [
        details.status.error.message
    ]


async def test_an_unload_for_idle_models_lets_a_busy_one_be(service, endless):
    name = await service.start(endless)
    await service.until_it_writes(name)

    await service.client.unload(endless.stem, if_idle=True)
    await service.until_it_writes(name, num_deltas=30)
    await service.client.stop(name)
    await service.read(name)
    await service.client.unload(endless.stem, if_idle=True)

    while (await service.status_of(endless)) is not None:
        await asyncio.sleep(0.01)
