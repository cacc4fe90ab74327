"""What is held for a load: the estimate and some more, corrected by what the model took before."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from inference.gguf_model import read_model
from inference.memory_estimate import estimate
from inference.memory_record import MemoryRecord
from inference.messages import Emitted, Heartbeat, Loaded, LoadModel, LoadSettings
from inference.service.measuring import Measuring
from inference.service.memory_need import need_of, note_use
from inference.types import Delta, ModelSpec
from tests.inference.service.fake_world import DONE
from tests.inference.test_gguf_model import write_split
from tests.made_models import write_random_model

SMALL = LoadSettings(context_window=256, prompt_cache_bytes=0)


def needed(path: str, settings: LoadSettings) -> int:
    return need_of(path, settings, MemoryRecord(None)).total


@pytest.fixture
def record(tmp_path: Path) -> MemoryRecord:
    return MemoryRecord(tmp_path / "memory.json")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return write_random_model(folder / "m.gguf", layers=4, width=256, context_length=32_768)


def test_the_need_is_the_estimate_and_some_more(path):
    small = LoadSettings(context_window=256, prompt_cache_bytes=0)
    found = estimate(read_model(path), context_window=256, kv_cache_type="f16")

    assert needed(str(path), small) == int(found.total * 1.1)
    long = msgspec.structs.replace(small, context_window=8192)
    assert needed(str(path), long) > needed(str(path), small)
    as_memory_allows = msgspec.structs.replace(small, context_window=0)
    assert needed(str(path), as_memory_allows) > needed(str(path), long)


def test_the_prompt_cache_takes_no_more_than_the_weights(path):
    size = path.stat().st_size
    without = needed(str(path), LoadSettings(prompt_cache_bytes=0))

    for asked, taken in ((1000, 1000), (size, size), (2**40, size)):
        assert needed(str(path), LoadSettings(prompt_cache_bytes=asked)) == without + taken


def test_all_parts_of_a_split_model_are_counted(tmp_path):
    write_split(tmp_path)
    first, *others = sorted(tmp_path.iterdir())
    assert others

    header = read_model(first)

    assert header.size == sum(part.stat().st_size for part in tmp_path.iterdir())
    assert needed(str(first), LoadSettings(context_window=256)) > header.size


def test_a_draft_model_needs_memory_too(path, tmp_path):
    draft = write_random_model(tmp_path / "draft.gguf")
    alone = needed(str(path), LoadSettings())

    assert needed(str(path), LoadSettings(draft_model=str(draft))) > alone
    assert needed(str(path), LoadSettings(draft_model=str(draft), speculation=False)) == alone
    assert needed(str(path), LoadSettings(draft_model=str(path))) == alone


def test_a_file_that_is_not_there_needs_nothing_and_is_left_to_the_runner(tmp_path):
    assert needed(str(tmp_path / "gone.gguf"), LoadSettings()) == 0


# -- corrected by what it took --------------------------------------------------------------------


def test_what_it_took_is_expected_of_it_the_next_time(path, record):
    before = need_of(str(path), SMALL, record)
    note_use(str(path), SMALL, record, used=before.expected + 5_000_000)

    assert need_of(str(path), SMALL, record).expected == before.expected + 5_000_000


def test_it_is_corrected_downwards_too(path, record):
    before = need_of(str(path), SMALL, record)
    note_use(str(path), SMALL, record, used=before.expected - 5_000_000)

    assert need_of(str(path), SMALL, record).expected == before.expected - 5_000_000


def test_with_other_settings_it_is_corrected_by_as_many_bytes(path, record):
    long = msgspec.structs.replace(SMALL, context_window=8192)
    before = need_of(str(path), long, record)
    note_use(str(path), SMALL, record, used=need_of(str(path), SMALL, record).expected + 1000)

    assert need_of(str(path), long, record).expected == before.expected + 1000


def test_what_it_took_with_just_these_settings_comes_before_what_came_later(path, record):
    long = msgspec.structs.replace(SMALL, context_window=8192)
    note_use(str(path), SMALL, record, used=111_000_000)
    note_use(str(path), long, record, used=999_000_000)

    assert need_of(str(path), SMALL, record).expected == 111_000_000


def test_the_most_it_ever_took_counts(path, record):
    for used in (111_000_000, 333_000_000, 222_000_000):
        note_use(str(path), SMALL, record, used=used)

    assert need_of(str(path), SMALL, record).expected == 333_000_000


def test_another_file_of_its_name_is_another_model(tmp_path, record):
    path = write_random_model(tmp_path / "m.gguf")
    note_use(str(path), SMALL, record, used=999_000_000)
    write_random_model(path, layers=3)

    assert need_of(str(path), SMALL, record).expected < 100_000_000


# -- measuring --------------------------------------------------------------------------------------


def measuring(path: Path, record: MemoryRecord, sizes: list[int]) -> Measuring:
    spec = ModelSpec(model_id="m", name="m", path=str(path))
    return Measuring(LoadModel(spec, SMALL), record=record, resident=lambda: sizes.pop(0))


async def test_it_is_measured_when_it_is_loaded_and_after_its_first_answer(path, record):
    one = measuring(path, record, [100_000_000, 120_000_000])
    await one.hear(Heartbeat(0, 0, 0))
    await one.hear(Loaded("CPU", 256))
    assert need_of(str(path), SMALL, record).expected == 100_000_000

    await one.hear(Emitted("g", Delta("x", 1)))
    await one.hear(Emitted("g", DONE))
    await one.hear(Emitted("h", DONE))

    assert one.used == need_of(str(path), SMALL, record).expected == 120_000_000


async def test_it_is_kept_for_the_window_that_it_came_to_have(path, record):
    as_memory_allows = msgspec.structs.replace(SMALL, context_window=512)
    await measuring(path, record, [100_000_000]).hear(Loaded("CPU", 512))

    assert need_of(str(path), as_memory_allows, record).expected == 100_000_000


async def test_on_a_gpu_resident_bytes_are_not_all_and_nothing_is_kept(path, record):
    before = need_of(str(path), SMALL, record)
    one = measuring(path, record, [100_000_000])
    await one.hear(Loaded("CUDA", 256, num_gpu_layers=4, num_layers=4))

    assert one.used == 100_000_000
    assert need_of(str(path), SMALL, record) == before
