"""Benchmarks: real measurements of real models, and that each ends in a named state."""

from __future__ import annotations

import asyncio
import html
import re
import time
from datetime import timedelta
from typing import Any

import psutil
import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from inference.types import ModelState, ModelStatus, SamplingParams, ServiceStatus
from models_app import catalog, loading
from models_app.benchmarks import disturbance, job, measuring, states
from models_app.benchmarks.chart import HEIGHT, WIDTH, Point, chart_of
from models_app.benchmarks.disturbance import Disturbance
from models_app.benchmarks.record import Benchmark, BenchmarkState, PromptSpeed
from models_app.benchmarks.requests import Asking
from models_app.benchmarks.states import LeaseLost
from models_app.engine import inference_client
from models_app.models import CatalogEntry, Download
from tests.inference.gguf_files import File
from tests.made_encoder import write_encoder
from tests.made_models import write_random_model, write_scripted_model
from tests.models_app.conftest import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("service")]

HTMX = {"HX-Request": "true"}


@pytest.fixture
def entry(folder) -> CatalogEntry:
    write_random_model(folder / "owl.gguf", name="Owl", printable=True)
    catalog.scan()
    return CatalogEntry.objects.get()


def measured(entry: CatalogEntry) -> Benchmark:
    benchmark = states.request(entry)
    assert job.run_next("test")
    benchmark.refresh_from_db()
    return benchmark


def become(entry: CatalogEntry, state: loading.LoadState) -> None:
    wait_for(
        lambda: loading.status_of(entry, loading.service_status()).state is state, what=str(state)
    )


# -- measuring --------------------------------------------------------------------------------------


def test_a_model_is_measured_as_it_runs_here(entry):
    benchmark = measured(entry)

    assert (benchmark.state, benchmark.reason) == (BenchmarkState.DONE, "")
    assert benchmark.percent == 100
    assert 0 < (benchmark.load_seconds or 0) < 60
    assert 0 < (benchmark.first_token_seconds or 0) < 60
    assert benchmark.num_generated == 3 * 64
    assert (benchmark.tokens_per_second or 0) > 1
    assert benchmark.memory > 10**7
    assert "llama.cpp" in benchmark.engine
    assert (benchmark.device, benchmark.placement) == ("CPU", "CPU")
    assert benchmark.settings["context_window"] == 2048
    assert benchmark.settings["kv_cache_type"] == "f16"


def test_prompts_that_fit_are_read_and_have_about_the_length_they_should(entry):
    benchmark = measured(entry)

    speeds = list(benchmark.prompts.all())
    assert [one.target for one in speeds] == [128, 512]
    assert all(0.7 * one.target < one.num_tokens < 1.5 * one.target for one in speeds)
    assert all(one.tokens_per_second > 1 for one in speeds)


def test_settings_of_the_model_are_those_that_were_measured(entry):
    entry.settings.context_window = 512
    entry.settings.kv_cache_type = "q8_0"
    entry.settings.save()

    benchmark = measured(CatalogEntry.objects.get())

    assert benchmark.settings["context_window"] == 512
    assert benchmark.settings["kv_cache_type"] == "q8_0"
    assert [one.target for one in benchmark.prompts.all()] == [128]


def test_a_model_that_ends_at_once_has_no_speed_of_writing_but_all_else(folder):
    write_scripted_model(folder / "curt.gguf", "A")
    catalog.scan()

    benchmark = measured(CatalogEntry.objects.get())

    assert benchmark.state == BenchmarkState.DONE
    assert benchmark.tokens_per_second is None
    assert (benchmark.first_token_seconds or 0) > 0


def test_a_model_of_embeddings_reads_and_writes_nothing(folder):
    write_encoder(folder / "encoder.gguf")
    catalog.scan()

    benchmark = measured(CatalogEntry.objects.get())

    assert benchmark.state == BenchmarkState.DONE
    assert benchmark.prompts.count() >= 1
    assert benchmark.tokens_per_second is None


def test_the_model_is_left_as_it_was_found(entry):
    measured(entry)
    become(entry, loading.LoadState.UNLOADED)

    loading.load(entry)
    become(entry, loading.LoadState.READY)
    measured(entry)

    assert loading.status_of(entry, loading.service_status()).state is loading.LoadState.READY
    loading.unload(entry)


def test_a_model_that_cannot_be_loaded_fails_with_the_reason(folder):
    File().write(folder / "hollow.gguf")
    catalog.scan()
    entry = CatalogEntry.objects.get()

    first, second = measured(entry), measured(entry)

    assert first.state == second.state == BenchmarkState.FAILED
    assert first.reason
    loading.unload(entry)


def test_without_a_service_it_fails_and_says_so(entry, settings, tmp_path, monkeypatch):
    settings.INFERENCE_SOCKET = tmp_path / "nobody"
    quick = inference_client(timeout=0.1)
    monkeypatch.setattr(job, "inference_client", lambda: quick)

    benchmark = measured(entry)

    assert benchmark.state == BenchmarkState.FAILED
    assert "does not answer" in benchmark.reason


def test_a_fault_of_ours_fails_it_too(entry, monkeypatch, caplog):
    monkeypatch.setattr(job, "settings_told", lambda spec: 1 / 0)

    benchmark = measured(entry)

    assert benchmark.state == BenchmarkState.FAILED
    assert "fault of Minerva" in benchmark.reason


def test_a_cancelled_one_stops_and_leaves_nothing_running(entry, monkeypatch):
    renew = states.renew
    benchmark = states.request(entry)

    def cancelled_soon(one: Benchmark, **facts: Any) -> None:
        renew(one, **facts)
        states.cancel(one.pk)

    monkeypatch.setattr(states, "renew", cancelled_soon)
    assert job.run_next("test")

    benchmark.refresh_from_db()
    assert benchmark.state == BenchmarkState.CANCELLED
    become(entry, loading.LoadState.UNLOADED)
    status = loading.service_status()
    assert status
    assert status.generations == ()


def test_a_model_in_use_is_waited_for_and_then_left_alone(entry, monkeypatch):
    monkeypatch.setattr(measuring, "PATIENCE_SECONDS", 0.2)
    loading.load(entry)
    become(entry, loading.LoadState.READY)
    monkeypatch.setattr(measuring, "_is_in_use", lambda status: True)

    benchmark = measured(entry)

    assert benchmark.state == BenchmarkState.FAILED
    assert benchmark.reason == "Owl is in use. Measure it when nobody waits for its answers."
    assert loading.status_of(entry, loading.service_status()).state is loading.LoadState.READY
    loading.unload(entry)


def test_the_next_one_waits_until_a_cancelled_one_has_let_go(entry, monkeypatch):
    """And is then taken up by whoever was at it."""
    seen: list[bool] = []
    measure = job._measure

    def meanwhile(benchmark: Benchmark) -> None:
        states.cancel(benchmark.pk)
        states.request(entry)
        seen.append(job.run_next("another thread"))
        measure(benchmark)

    states.request(entry)
    monkeypatch.setattr(job, "_measure", meanwhile)
    assert job.run_next("test")
    monkeypatch.setattr(job, "_measure", measure)

    assert seen == [False]
    assert job.run_next("test")
    assert Benchmark.objects.done().count() == 1


def test_a_request_that_is_given_up_is_stopped(folder):
    write_random_model(folder / "slow.gguf", printable=True, layers=8, width=256)
    catalog.scan()
    spec = CatalogEntry.objects.get().spec
    client = inference_client()

    async def given_up() -> tuple[str, ...]:
        asking = Asking(client, spec, SamplingParams())
        answer = asyncio.create_task(asking.answer("Talk.", max_tokens=2000))
        while not (await client.status()).generations:
            await asyncio.sleep(0.01)
        answer.cancel()
        await asyncio.wait({answer})
        return (await client.status()).generations

    assert async_to_sync(given_up)() == ()
    async_to_sync(client.unload)(spec.model_id)


# -- what else went on ------------------------------------------------------------------------------


def service_with(*models: ModelStatus, generations: tuple[str, ...] = ()) -> ServiceStatus:
    return ServiceStatus(pid=1, models=models, generations=generations)


def test_other_work_is_noticed_each_once():
    watch = Disturbance("m")
    mine = ModelStatus(model_id="m", state=ModelState.LOADING)
    other = ModelStatus(model_id="n", state=ModelState.LOADING)

    watch.look(service_with(mine, generations=("benchmark-1",)), is_downloading=False)
    assert watch.noticed == ""
    for _ in range(2):
        watch.look(service_with(other, generations=("an-answer",)), is_downloading=True)

    assert watch.noticed == (
        "Somebody was given an answer. Another model was being loaded. A download was going on."
    )


def test_other_programs_are_noticed_by_the_time_of_the_processors(monkeypatch):
    clock, busy = [100.0], [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(disturbance, "_busy_seconds", lambda: busy[0])
    monkeypatch.setattr(disturbance, "_seconds_of", lambda pid: 0.0)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    quiet, loud = Disturbance("m"), Disturbance("m")
    quiet.begin(1)
    loud.begin(1)

    clock[0], busy[0] = 110.0, 53.0
    quiet.end()
    busy[0] = 60.0
    loud.end()

    assert quiet.noticed == ""
    assert loud.noticed == "Other programs took 50 % of the processors."


def test_an_answer_given_meanwhile_is_told(entry, monkeypatch):
    look = Disturbance.look

    def with_an_answer(self: Disturbance, status: ServiceStatus, **facts: Any) -> None:
        look(self, service_with(*status.models, generations=("of-somebody",)), **facts)

    monkeypatch.setattr(Disturbance, "look", with_an_answer)

    assert "Somebody was given an answer." in measured(entry).disturbance


def test_a_download_under_way_is_told(entry):
    Download.objects.create(repository="a/b", variant="Q4", state="downloading")

    assert "A download was going on." in measured(entry).disturbance


# -- states -----------------------------------------------------------------------------------------


def test_one_at_a_time_and_the_same_model_once(entry, write):
    write("other.gguf")
    catalog.scan()
    other = CatalogEntry.objects.exclude(pk=entry.pk).get()
    first = states.request(entry)

    assert states.request(entry) == first
    second = states.request(other)
    assert states.claim("a") == first
    assert states.claim("b") is None
    states.fail(_claimed(first), "It broke.")
    assert states.claim("b") == second


def _claimed(benchmark: Benchmark) -> Benchmark:
    benchmark.refresh_from_db()
    return benchmark


def test_a_worker_that_died_leaves_an_interrupted_one(entry):
    states.request(entry)
    claimed = states.claim(states.new_owner(states.WORKER))
    assert claimed

    assert states.interrupt_expired(all_workers_but="worker:the next") == 1

    with pytest.raises(LeaseLost):
        states.renew(claimed, step="x", fraction=0.5)
    claimed.refresh_from_db()
    assert claimed.state == BenchmarkState.INTERRUPTED
    assert "Start it again" in claimed.reason


def test_a_command_that_lives_is_no_business_of_a_new_worker(entry):
    states.request(entry)
    claimed = states.claim(states.new_owner("command:"))
    assert claimed

    assert states.interrupt_expired(all_workers_but="worker:the next") == 0
    states.renew(claimed, step="x", fraction=0.5)


def test_a_lease_that_ran_out_is_noticed_by_whoever_looks(entry, staff):
    benchmark = states.request(entry)
    states.claim("command:dead")
    Benchmark.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    text = page(staff, entry)

    assert "was ended in the middle of it" in text
    benchmark.refresh_from_db()
    assert benchmark.state == BenchmarkState.INTERRUPTED


def test_an_end_comes_only_once(entry):
    states.request(entry)
    claimed = states.claim("a")
    assert claimed
    states.cancel(claimed.pk)

    assert not states.cancel(claimed.pk)
    with pytest.raises(LeaseLost):
        states.finish(claimed)
    with pytest.raises(LeaseLost):
        states.fail(claimed, "Too late.")
    claimed.refresh_from_db()
    assert claimed.state == BenchmarkState.CANCELLED


# -- the page ---------------------------------------------------------------------------------------


def url(name: str, pk: object) -> str:
    return reverse(f"models:{name}", args=[pk])


def page(client: Client, entry: CatalogEntry) -> str:
    response = client.get(url("benchmark", entry.pk))
    assert response.status_code == 200
    return html.unescape(response.content.decode()).replace("\N{NO-BREAK SPACE}", " ")


def made(entry: CatalogEntry, number: int, **facts: Any) -> Benchmark:
    benchmark = Benchmark.objects.create(
        entry=entry,
        state=BenchmarkState.DONE,
        tokens_per_second=10 + number,
        first_token_seconds=0.084,
        load_seconds=1.234,
        memory=4_500_000_000,
        placement="GPU 33/33",
        engine="llama.cpp 1",
        **facts,
    )
    PromptSpeed.objects.create(benchmark=benchmark, target=512, num_tokens=500, seconds=0.4)
    return benchmark


def test_a_page_without_any_offers_to_measure(entry, staff):
    text = page(staff, entry)

    assert "Measure</button>" in text
    assert '<svg class="chart' not in text
    assert "every 1s" not in text


def test_a_click_queues_one_and_the_page_asks_until_it_ended(entry, staff, monkeypatch):
    answer = staff.post(url("start_benchmark", entry.pk), headers=HTMX).content.decode()
    benchmark = Benchmark.objects.get()
    assert "every 1s" in answer
    assert url("cancel_benchmark", benchmark.pk) in answer
    assert "Measure</button>" not in answer

    reloaded = page(staff, entry)
    assert "every 1s" in reloaded
    asked = staff.get(url("benchmark", entry.pk), headers=HTMX)
    assert asked.status_code == 200

    answer = staff.post(url("cancel_benchmark", benchmark.pk), headers=HTMX).content.decode()
    assert "The last one was cancelled." in answer
    assert "every 1s" not in answer
    assert staff.get(url("benchmark", entry.pk), headers=HTMX).status_code == 286
    late = staff.post(url("cancel_benchmark", benchmark.pk), headers=HTMX)
    assert "ended in the meantime" in late["HX-Trigger"]


def test_figures_stand_on_the_page_and_in_a_table(entry, staff):
    made(entry, 1)

    text = page(staff, entry)

    for figure in ("<strong>11</strong>", "1,250", "0.084", "1.23", "4.50 GB", "GPU 33/33"):
        assert figure in text
    assert "Other work went on" not in text
    assert text.count('r="4"><title>') == 2


def test_figures_taken_beside_other_work_say_so(entry, staff):
    made(entry, 1, disturbance="A download was going on.")

    text = page(staff, entry)

    assert "Other work went on meanwhile" in text
    assert "A download was going on." in text
    assert "data-doubtful" in text


def test_a_failure_is_shown_beside_the_figures_there_were(entry, staff):
    made(entry, 1)
    Benchmark.objects.create(entry=entry, state=BenchmarkState.FAILED, reason="No memory.")

    text = page(staff, entry)

    assert "No memory." in text
    assert "Measure again" in text
    assert "1,250" in text


def test_the_number_of_queries_does_not_grow_with_the_history(entry, staff):
    counts = []
    for upto in (2, 20):
        for number in range(upto):
            made(entry, number)
        page(staff, entry)
        with CaptureQueriesContext(connection) as queries:
            page(staff, entry)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 11


def test_without_javascript_each_button_leads_back(entry, staff):
    started = staff.post(url("start_benchmark", entry.pk))
    cancelled = staff.post(url("cancel_benchmark", Benchmark.objects.get().pk))

    assert started["Location"] == cancelled["Location"] == url("benchmark", entry.pk)


def test_members_can_neither_see_nor_measure_and_a_broken_model_has_none(
    entry, folder, staff, member
):
    benchmark = states.request(entry)
    for name, pk in (("start_benchmark", entry.pk), ("cancel_benchmark", benchmark.pk)):
        assert member.post(url(name, pk)).status_code == 403
        assert staff.get(url(name, pk)).status_code == 405
    (folder / "text.gguf").write_text("Only text.")
    catalog.scan()
    broken = CatalogEntry.objects.exclude(problem="").get()

    assert staff.get(url("benchmark", broken.pk)).status_code == 404
    assert staff.post(url("start_benchmark", broken.pk)).status_code == 404


# -- the chart --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (59_000, ["0", "20,000", "40,000", "60,000"]),
        (1_450_000, ["0", "500,000", "1,000,000", "1,500,000"]),
        (80, ["0", "30", "60", "90"]),
        (0.07, ["0", "0.03", "0.06", "0.09"]),
    ],
)
def test_the_scale_is_written_in_whole_numbers_as_people_do(value, texts):
    chart = chart_of("speed", "Speed", "tokens/s", [Point("today", value, str(value))])

    assert chart is not None
    assert [tick.text for tick in chart.ticks] == texts


@pytest.mark.parametrize("values", [[5], [1, 1], [0.004, 0.1, 3], [9.99, 12.1, 60], [1e6, 1], [0]])
def test_a_chart_keeps_within_its_frame_and_its_order(values):
    points = [Point(f"day {at}", value, str(value)) for at, value in enumerate(values)]

    chart = chart_of("writing", "Writing", "tokens/s", points)

    assert chart
    assert all(0 < dot.x < WIDTH and 0 < dot.y < HEIGHT for dot in chart.dots)
    assert [dot.x for dot in chart.dots] == sorted({dot.x for dot in chart.dots})
    heights = [-dot.y for dot in chart.dots]
    assert sorted(range(len(values)), key=lambda at: (values[at], at)) == sorted(
        range(len(values)), key=lambda at: (heights[at], at)
    )
    assert chart.ticks[0].text == "0"


def test_a_chart_says_in_words_what_it_shows():
    points = [Point("Monday", 10, "10"), Point("Tuesday", 30, "30"), Point("Friday", 20, "20")]

    chart = chart_of("writing", "Writing", "tokens/s", points)

    assert chart
    assert chart.description == (
        "3 measurements from Monday to Friday: 10 at first, 20 at last, between 10 and 30 tokens/s."
    )
    assert chart_of("writing", "Writing", "tokens/s", []) is None


def test_the_chart_is_read_by_who_does_not_see_it(entry, staff):
    made(entry, 1)
    made(entry, 2)

    text = page(staff, entry)

    for name in ("writing", "reading"):
        labelled = re.search(rf'aria-labelledby="(chart-{name}-title) (chart-{name}-desc)"', text)
        assert labelled
        assert f'<title id="{labelled[1]}">' in text
        assert f'<desc id="{labelled[2]}">2 measurements' in text
