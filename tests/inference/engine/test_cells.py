from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inference.engine.cells import Cells


def test_what_two_slots_share_is_counted_once():
    cells = Cells()
    cells.extend(0, 100)

    cells.share(0, 1, length=60)
    cells.extend(1, 10)

    assert cells.num_taken([0, 1]) == 110
    assert (cells.num_taken([0]), cells.num_taken([1])) == (100, 70)


def test_what_is_shared_stays_until_the_last_lets_go():
    cells = Cells()
    cells.extend(0, 100)
    cells.share(0, 1, length=60)

    cells.cut(0, length=0)

    assert cells.num_taken([0, 1]) == 60


def test_what_is_computed_after_a_cut_takes_cells_of_its_own():
    cells = Cells()
    cells.extend(0, 100)
    cells.share(0, 1, length=100)

    cells.cut(0, length=50)
    cells.extend(0, 50)

    assert cells.num_taken([0, 1]) == 150


class CountedCells:
    """The same with a set of cells for each slot."""

    def __init__(self) -> None:
        self.held: list[list[object]] = [[] for _ in range(4)]

    def num_taken(self) -> int:
        return len({cell for held in self.held for cell in held})


@given(st.data())
def test_it_counts_as_many_as_there_are(data: Any):
    cells, counted = Cells(), CountedCells()
    for _ in range(data.draw(st.integers(0, 30))):
        slot = data.draw(st.integers(0, 3))
        held = counted.held[slot]
        match data.draw(st.sampled_from(["extend", "share", "cut"])):
            case "extend":
                number = data.draw(st.integers(1, 9))
                cells.extend(slot, number)
                held.extend(object() for _ in range(number))
            case "share" if [] in counted.held and held:
                other = counted.held.index([])
                length = data.draw(st.integers(1, len(held)))
                cells.share(slot, other, length=length)
                counted.held[other] = held[:length]
            case "cut" if held:
                length = data.draw(st.integers(0, len(held)))
                cells.cut(slot, length=length)
                del held[length:]
        assert cells.num_taken(range(4)) == counted.num_taken()
        assert [cells.length(slot) for slot in range(4)] == [len(one) for one in counted.held]
