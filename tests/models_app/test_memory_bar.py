"""The bar of memory: every byte is somebody's, and none is counted twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.hardware.memory import Memory
from inference.types import ModelState, ModelStatus, ServiceStatus
from models_app.memory import BAR_WIDTH, memory_bar

GB = 10**9


def loaded(model_id: str, memory: int, mapped: int = 0) -> ModelStatus:
    return ModelStatus(
        model_id=model_id, state=ModelState.READY, memory=memory, mapped_memory=mapped
    )


def test_pages_of_a_models_file_are_the_models():
    """The kernel says that 12 of 16 GB are available; 3 of them are weights."""
    memory = Memory(total=16 * GB, available=12 * GB, limited=False)
    service = ServiceStatus(pid=1, models=(loaded("a", 4 * GB, mapped=3 * GB),))

    bar = memory_bar(memory, service, {"a": "Owl"})

    assert [(one.name, one.num_bytes) for one in bar] == [
        ("Owl", 4 * GB),
        ("Everything else", 3 * GB),
        ("Free", 9 * GB),
    ]
    assert [(one.start, one.width) for one in bar] == [(0, 250), (250, 187.5), (437.5, 562.5)]


def test_without_the_service_nothing_is_known():
    assert memory_bar(Memory(16 * GB, 8 * GB, limited=False), None, {}) == []


def test_a_model_without_a_process_or_a_name_has_no_part():
    service = ServiceStatus(pid=1, models=(loaded("a", 0), loaded("gone", GB)))

    bar = memory_bar(Memory(16 * GB, 8 * GB, limited=False), service, {"a": "Owl"})

    assert [one.kind for one in bar] == ["others", "free"]


@given(
    total=st.integers(1, 10**13),
    available=st.integers(0, 10**13),
    sizes=st.lists(st.tuples(st.integers(1, 10**12), st.integers(0, 10**12)), max_size=6),
)
def test_the_parts_fill_the_bar_and_no_more(
    total: int, available: int, sizes: list[tuple[int, int]]
):
    models = tuple(loaded(str(at), *size) for at, size in enumerate(sizes))
    memory = Memory(total, min(total, available), limited=False)
    names = {one.model_id: one.model_id for one in models}

    bar = memory_bar(memory, ServiceStatus(pid=1, models=models), names)

    assert all(one.num_bytes >= 0 and one.width >= 0 for one in bar)
    assert sum(one.width for one in bar) == pytest.approx(BAR_WIDTH, abs=1)
