"""Eviction: idle models only, the longest unused first, no more than needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inference.service.eviction import Eviction, Resident, choose


def resident(name: str, size: int, last_used_at: float = 0, **states: bool) -> Resident:
    """`is_busy`, `is_pinned`: False unless told."""
    return Resident(name, size, last_used_at, **{"is_busy": False, **states})


def test_nothing_goes_when_it_fits():
    assert choose(need=5, free=5, residents=[resident("a", 9)]) == Eviction("fits")


def test_the_longest_unused_goes_first():
    residents = [resident("new", 5, 20), resident("old", 5, 10)]

    assert choose(need=5, free=0, residents=residents) == Eviction("fits", ("old",))


def test_a_small_one_is_spared_when_a_bigger_one_must_go_anyway():
    residents = [resident("small", 1, 10), resident("big", 9, 20)]

    assert choose(need=9, free=0, residents=residents) == Eviction("fits", ("big",))


def test_a_busy_model_is_waited_for():
    residents = [resident("busy", 9, is_busy=True), resident("idle", 1)]

    assert choose(need=9, free=0, residents=residents) == Eviction("wait")


def test_a_pinned_model_stays_and_another_goes():
    residents = [resident("pinned", 5, 10, is_pinned=True), resident("idle", 5, 20)]

    assert choose(need=5, free=0, residents=residents) == Eviction("fits", ("idle",))


def test_nobody_waits_for_a_pinned_model():
    residents = [resident("pinned", 9, is_pinned=True, is_busy=True)]

    assert choose(need=9, free=0, residents=residents) == Eviction("never")


def test_what_does_not_fit_at_all_is_said_at_once():
    assert choose(need=99, free=1, residents=[resident("a", 9)]) == Eviction("never")


residents_ = st.lists(
    st.builds(
        Resident,
        st.uuids().map(str),
        st.integers(0, 50),
        st.floats(0, 9),
        st.booleans(),
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda r: r.model_id,
)


@given(st.integers(0, 200), st.integers(-20, 100), residents_)
def test_what_is_chosen_is_enough_idle_and_without_one_to_spare(need, free, residents):
    choice = choose(need=need, free=free, residents=residents)

    by_name = {r.model_id: r for r in residents}
    chosen = [by_name[name] for name in choice.models]
    gained = sum(r.size for r in chosen)
    assert not any(r.is_busy or r.is_pinned for r in chosen)
    if choice.verdict == "fits":
        assert free + gained >= need
        assert all(free + gained - r.size < need for r in chosen)
    else:
        assert not chosen
        movable = [r for r in residents if not r.is_busy and not r.is_pinned]
        assert free + sum(r.size for r in movable) < need
