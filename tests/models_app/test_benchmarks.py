"""Benchmarks: real measurements of real models, through the real inference service."""

from __future__ import annotations

import pytest

from models_app import catalog
from models_app.benchmarks import job, states
from models_app.benchmarks.record import BenchmarkState
from models_app.models import CatalogEntry
from tests.made_models import write_random_model

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("service")]


@pytest.fixture
def entry(folder) -> CatalogEntry:
    write_random_model(folder / "owl.gguf", name="Owl", printable=True)
    catalog.scan()
    return CatalogEntry.objects.get()


def test_a_model_is_measured_as_it_runs_here(entry):
    benchmark = states.request(entry)

    assert job.run_next("test")

    benchmark.refresh_from_db()
    assert benchmark.reason == ""
    assert benchmark.state == BenchmarkState.DONE
    print(
        benchmark.__dict__, [(p.target, p.num_tokens, p.seconds) for p in benchmark.prompts.all()]
    )
