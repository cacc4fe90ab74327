"""Ended chats outside of the KV cache: their next turn finds what was computed."""

from __future__ import annotations

from array import array

from inference.backends.base import SavedState
from inference.engine import slots
from inference.engine.shelf import MOST_SHELVED, Shelf, Shelved
from tests.inference.engine.engine_run import EngineRun
from tests.inference.engine.hashing_model import HashingModel


def shelved(num_bytes: int, user: str = "ada") -> Shelved:
    return Shelved(array("i", range(num_bytes)), user, 0, SavedState(num_bytes, None))


def test_what_was_used_longest_ago_makes_room():
    shelf = Shelf(100)
    first, second, third = shelved(40), shelved(40), shelved(40)
    shelf.keep(first)
    shelf.keep(second)
    shelf.use(first)

    shelf.keep(third)

    assert list(shelf) == [third, first]
    assert shelf.num_bytes == 80


def test_the_shelf_may_be_full_to_the_last_byte():
    shelf = Shelf(100)
    shelf.keep(shelved(60))
    shelf.keep(shelved(40))

    assert shelf.num_bytes == 100


def test_more_than_the_whole_shelf_is_not_kept():
    shelf = Shelf(100)
    shelf.keep(shelved(101))

    assert len(shelf) == 0


def test_there_are_never_too_many_to_compare_with():
    shelf = Shelf(1000)
    for _ in range(MOST_SHELVED + 5):
        shelf.keep(shelved(1))

    assert len(shelf) == MOST_SHELVED


def chat(run: EngineRun, model: HashingModel, name: str, text: str, user: str = "ada") -> str:
    run.start(name, model.tokenize(text), user=user, max_tokens=10)
    run.finish()
    assert run.text(name) == model.completion(text, 10)
    return text + run.text(name)


def test_a_chat_whose_place_others_took_goes_on_where_it_ended():
    model = HashingModel(num_cells=200, max_sequences=1)
    run = EngineRun(model, shelf_bytes=10_000)
    owls = chat(run, model, "owls", "Tell me of owls. " * 6)
    chat(run, model, "mice", "And now of mice, please. " * 5, user="grace")

    chat(run, model, "more owls", owls + "More?")

    assert run.end("more owls").usage.cached_tokens == len(owls) - 1


def test_without_a_shelf_it_is_computed_anew():
    model = HashingModel(num_cells=200, max_sequences=1)
    run = EngineRun(model)
    owls = chat(run, model, "owls", "Tell me of owls. " * 6)
    chat(run, model, "mice", "And now of mice, please. " * 5, user="grace")

    chat(run, model, "more owls", owls + "More?")

    assert run.end("more owls").usage.cached_tokens == 0


def test_what_one_user_wrote_is_not_found_for_another():
    model = HashingModel(num_cells=200, max_sequences=1)
    run = EngineRun(model, shelf_bytes=10_000)
    owls = chat(run, model, "owls", "Tell me of owls. " * 6)
    chat(run, model, "mice", "And now of mice, please. " * 5, user="grace")

    chat(run, model, "more owls", owls + "More?", user="linus")

    assert run.end("more owls").usage.cached_tokens == 0


def test_a_copy_that_is_mostly_something_else_stays_on_the_shelf():
    model = HashingModel(num_cells=200, max_sequences=1)
    run = EngineRun(model, shelf_bytes=10_000)
    chat(run, model, "owls", "Tell me of owls. " * 6)
    chat(run, model, "mice", "And now of mice, please. " * 5)

    chat(run, model, "again", "Tell me of owls. And of the moon.")

    assert run.end("again").usage.cached_tokens == 0


def test_many_cells_of_residents_are_taken_out_of_the_way_of_decodes(monkeypatch):
    monkeypatch.setattr(slots, "RESIDENT_CELLS", 100)
    model = HashingModel(num_cells=1000, max_sequences=1, num_slots=8)
    run = EngineRun(model, shelf_bytes=10_000)
    texts = [chat(run, model, f"chat {number}", f"{number} owls. " * 5) for number in range(4)]

    assert model.num_cached_tokens <= 100
    for number, text in enumerate(texts):
        chat(run, model, f"more {number}", text + "More?")
        assert run.end(f"more {number}").usage.cached_tokens == len(text) - 1


def test_the_newest_resident_stays_however_long_it_is(monkeypatch):
    monkeypatch.setattr(slots, "RESIDENT_CELLS", 10)
    model = HashingModel(num_cells=1000, max_sequences=1, num_slots=8)
    run = EngineRun(model, shelf_bytes=10_000)

    text = chat(run, model, "owls", "Tell me of owls. " * 6)

    assert model.num_cached_tokens == len(text) - 1


def test_streams_do_not_wait_for_a_large_copy(monkeypatch):
    monkeypatch.setattr(slots, "RESIDENT_CELLS", 10)
    monkeypatch.setattr(slots, "MOST_BYTES_AT_ONCE", 20)
    model = HashingModel(num_cells=1000, max_sequences=2, num_slots=8)
    run = EngineRun(model, shelf_bytes=10_000)
    run.start("stream", model.tokenize("Hello."), max_tokens=60)
    run.steps(2)
    for name in ("one", "two"):
        run.start(name, model.tokenize(f"{name} owl and many mice."), max_tokens=2)
    run.steps(20)
    while_streaming = model.num_cached_tokens

    run.finish()

    assert while_streaming > 2 * 20
    assert len(run.text("stream")) == 60
    assert model.num_cached_tokens < while_streaming
