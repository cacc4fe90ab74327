"""The states of a model, and which may follow which."""

from __future__ import annotations

from inference.types import ModelState

ALLOWED = {
    ModelState.UNLOADED: {ModelState.LOADING},
    ModelState.LOADING: {ModelState.READY, ModelState.UNLOADING, ModelState.FAILED},
    ModelState.READY: {ModelState.UNLOADING, ModelState.FAILED},
    ModelState.UNLOADING: {ModelState.UNLOADED, ModelState.FAILED},
    ModelState.FAILED: {ModelState.LOADING, ModelState.UNLOADED},
}


def check_move(before: ModelState, after: ModelState) -> None:
    """A move that is not in the table is a fault of ours."""
    assert after in ALLOWED[before], f"{before} → {after}"
