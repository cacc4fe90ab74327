"""The catalog: equal to what lies in the model folders, with a reason for what cannot be used."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inference import headers
from inference.gguf_header import read_header
from models_app import catalog
from models_app.model_files import MAX_DEPTH, find_models
from models_app.models import CatalogEntry
from models_app.tasks import scan_model_folders
from tests.inference.gguf_files import File, string_pair
from tests.inference.test_gguf_model import write_split
from tests.made_models import write_scripted_model

pytestmark = pytest.mark.django_db


def only_entry() -> CatalogEntry:
    return CatalogEntry.objects.get()


def names() -> list[str]:
    return list(CatalogEntry.objects.present().values_list("name", flat=True))


def writes_of_scan() -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        catalog.scan()
    statements = [query["sql"] for query in queries]
    return [sql for sql in statements if not sql.startswith("SELECT")]


# -- what is found ----------------------------------------------------------------------------------


def test_a_model_is_listed_with_what_its_own_metadata_says(folder):
    path = write_scripted_model(folder / "hello.gguf", "Hello.", name="Hello 1M")

    catalog.scan()

    entry, header = only_entry(), read_header(path)
    assert (entry.name, entry.architecture) == ("Hello 1M", "llama")
    assert entry.num_parameters == header.num_parameters > 0
    assert entry.quantization == header.quantization
    assert entry.context_length == 2048
    assert entry.size == path.stat().st_size
    assert entry.has_chat_template
    assert entry.is_usable
    assert entry.spec.path == str(path)


def test_models_are_found_flat_in_folders_and_in_a_cache(folder, write):
    write("flat.gguf")
    write("user/repo/deep.GGUF")
    blob = write("models--u--r/blobs/3f2a").rename(folder / "models--u--r" / "blobs" / "3f2a")
    snapshot = folder / "models--u--r" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "cached.gguf").symlink_to(blob)

    catalog.scan()

    assert {Path(entry.path).name for entry in CatalogEntry.objects.all()} == {
        "flat.gguf",
        "deep.GGUF",
        "cached.gguf",
    }


def test_further_folders_are_used_too_and_a_bad_one_disturbs_nothing(
    folder, write, settings, tmp_path
):
    write("ours.gguf")
    further = tmp_path / "further"
    further.mkdir()
    shutil.copy(folder / "ours.gguf", further / "theirs.gguf")
    (tmp_path / "file").write_text("")
    settings.MODEL_DIRS = [folder, further, tmp_path / "absent", tmp_path / "file"]

    catalog.scan()

    assert CatalogEntry.objects.usable().count() == 2
    assert [bool(one.problem) for one in catalog.model_folders()] == [False, False, True, True]


def test_the_same_file_under_two_names_is_listed_once(folder, write):
    write("a.gguf")
    os.link(folder / "a.gguf", folder / "b.gguf")
    (folder / "c.gguf").symlink_to("a.gguf")

    catalog.scan()

    assert only_entry().file_name == "a.gguf"


def test_links_in_circles_and_to_nowhere_are_passed_over(folder, write):
    write("user/a.gguf")
    (folder / "user" / "up").symlink_to(folder)
    (folder / "self.gguf").symlink_to("self.gguf")
    (folder / "nowhere.gguf").symlink_to("absent.gguf")

    catalog.scan()

    assert only_entry().file_name == "a.gguf"


def test_hidden_files_and_too_deep_folders_are_passed_over(folder, write):
    write(".hidden.gguf")
    write(".cache/a.gguf")
    write("/".join("d" * (MAX_DEPTH + 1)) + "/deep.gguf")
    write("/".join("e" * MAX_DEPTH) + "/seen.gguf")

    catalog.scan()

    assert only_entry().file_name == "seen.gguf"


def test_a_named_pipe_blocks_nothing_and_is_listed_as_broken(folder):
    os.mkfifo(folder / "pipe.gguf")

    catalog.scan()

    assert only_entry().problem == "This is not a regular file."


def test_a_folder_called_like_a_model_is_only_a_folder(folder, write):
    write("folder.gguf/inside.gguf")

    catalog.scan()

    assert only_entry().file_name == "inside.gguf"


def test_the_parts_of_a_split_model_are_one_entry(folder):
    paths = write_split(folder)

    catalog.scan()

    entry = only_entry()
    assert (entry.num_files, entry.path) == (3, str(paths[0]))
    assert entry.size == sum(path.stat().st_size for path in paths)
    assert entry.num_parameters == 96
    assert entry.is_usable


def test_a_split_model_heals_when_its_missing_part_comes(folder):
    paths = write_split(folder)
    first = paths[0].read_bytes()
    paths[0].unlink()
    catalog.scan()
    assert only_entry().problem.startswith("Part 1 of this model is missing")
    assert only_entry().is_incomplete

    paths[0].write_bytes(first)
    catalog.scan()

    assert only_entry().is_usable


def test_a_projector_is_not_listed_as_a_model(folder, write):
    File(pairs=(string_pair("general.architecture", "clip"),)).write(folder / "mmproj.gguf")

    catalog.scan()

    assert names() == []
    assert CatalogEntry.objects.count() == 1
    assert catalog.default_entry() is None


# -- what is broken ---------------------------------------------------------------------------------


def test_broken_files_are_listed_with_their_reason_and_disturb_nothing(folder, write):
    whole = write("good.gguf").read_bytes()
    (folder / "text.gguf").write_text("Only text.\n")
    (folder / "cut.gguf").write_bytes(whole[:-1])
    (folder / "wild.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**62, 4) + bytes(64))

    catalog.scan()

    problems = {entry.file_name: entry.problem for entry in CatalogEntry.objects.all()}
    assert problems["good.gguf"] == ""
    assert problems["text.gguf"] == "This is a text file, not a GGUF model."
    assert "cut off" in problems["cut.gguf"]
    assert "4,611,686,018,427,387,904 tensors" in problems["wild.gguf"]
    assert CatalogEntry.objects.usable().get().file_name == "good.gguf"


def test_a_file_that_is_still_copied_is_incomplete_and_heals(folder, write):
    whole = write("a.gguf").read_bytes()
    path = folder / "a.gguf"
    for length in (0, 2, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        catalog.scan()
        assert only_entry().is_incomplete
        assert only_entry().is_arriving

    path.write_bytes(whole)
    catalog.scan()

    entry = only_entry()
    assert (entry.problem, entry.is_incomplete, entry.is_usable) == ("", False, True)
    assert entry.name == "a"


def test_a_file_cut_off_long_ago_is_not_called_arriving(folder, write):
    path = write("a.gguf")
    path.write_bytes(path.read_bytes()[:-1])
    catalog.scan()
    CatalogEntry.objects.update(modified_ns=0)

    assert only_entry().is_incomplete
    assert not only_entry().is_arriving


def test_a_model_replaced_by_a_text_keeps_nothing_of_what_it_was(folder, write):
    path = write("a.gguf")
    catalog.scan()
    path.write_text("now a text")

    catalog.scan()

    entry = only_entry()
    assert not entry.is_usable
    assert (entry.architecture, entry.num_parameters, entry.context_length) == ("", 0, 0)


def test_a_vanished_file_is_marked_and_comes_back_as_the_same_entry(folder, write):
    path = write("a.gguf")
    catalog.scan()
    before = only_entry()
    path.rename(folder / "elsewhere")
    catalog.scan()
    assert only_entry().is_missing
    assert not CatalogEntry.objects.usable().exists()

    (folder / "elsewhere").rename(path)
    catalog.scan()

    assert only_entry().pk == before.pk
    assert only_entry().is_usable


@pytest.mark.parametrize(
    "name",
    [
        "line\nbreak.gguf",
        "<script>alert(1).gguf",
        "\u202egnp.gguf",
        "-00001-of-00003.gguf",
        "a-00001-of-99999.gguf",
        "x" * 250 + ".gguf",
        "'; DROP TABLE.gguf",
    ],
)
def test_any_file_name_is_listed_as_one_line_of_text(folder, write, name):
    (folder / name).write_text("no model")

    catalog.scan()

    entry = only_entry()
    assert entry.name.isprintable()
    assert 0 < len(entry.name) <= 255
    assert entry.file_name.isprintable()


def test_a_file_name_that_is_no_utf_8_is_listed_with_what_to_do(folder, write):
    path = write("a.gguf")
    path.rename(os.fsdecode(os.fsencode(folder) + b"/b\xff.gguf"))

    catalog.scan()
    catalog.scan()

    assert only_entry().problem == "This file's name is not valid UTF-8. Rename it."


# -- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Qwen3 8B Instruct", "Qwen3 8B Instruct"),
        ("<b>bold", "<b>bold"),
        ("D:\\models\\thing", "file"),
        ("home/user/checkpoint", "file"),
        ("47b6801b24d15ff9bcd8c96dfaea0be9ed3a0301", "file"),
        ("  \n ", "file"),
        ("models", "file"),
        ("x" * 500, "x" * 200),
    ],
)
def test_a_name_is_what_the_model_calls_itself_if_that_helps(write, said, shown):
    write("file.gguf", name=said)

    catalog.scan()

    assert only_entry().name == shown


# -- cost -------------------------------------------------------------------------------------------


def test_a_scan_that_finds_nothing_new_writes_nothing_and_reads_no_file(folder, write, monkeypatch):
    for number in range(3):
        write(f"good{number}.gguf")
    write_split(folder)
    (folder / "broken.gguf").write_text("text")
    File(pairs=(string_pair("general.architecture", "clip"),)).write(folder / "mmproj.gguf")
    write("gone.gguf")
    catalog.scan()
    (folder / "gone.gguf").unlink()
    catalog.scan()
    monkeypatch.setattr(headers, "MODULE", "no.such.module")

    assert writes_of_scan() == []


def test_only_what_changed_is_read_again(folder, write, monkeypatch):
    write("same.gguf")
    write("changed.gguf")
    catalog.scan()
    read: list[str] = []

    def read_and_note(paths: Sequence[Path]) -> Iterator[headers.Result]:
        read.extend(path.name for path in paths)
        return headers.read_headers(paths)

    monkeypatch.setattr(catalog, "read_headers", read_and_note)
    write("changed.gguf", name="Another name")

    catalog.scan()

    assert read == ["changed.gguf"]


def test_a_rescan_reads_everything_again(folder, write):
    write("a.gguf")
    catalog.scan()
    CatalogEntry.objects.update(problem="An older Minerva could not read this.")

    catalog.scan(reread=True)

    assert only_entry().is_usable


def test_pages_share_one_scan_within_a_few_seconds(folder, write, monkeypatch):
    write("a.gguf")
    catalog.refresh()
    scans: list[None] = []
    monkeypatch.setattr(catalog, "scan", lambda: scans.append(None))

    catalog.refresh()

    assert scans == []


def test_a_new_file_shows_at_once_and_so_does_a_deleted_one(folder, write):
    write("a.gguf")
    catalog.refresh()
    write("b.gguf")

    catalog.refresh()
    assert names() == ["a", "b"]

    (folder / "a.gguf").unlink()
    catalog.refresh()
    assert [entry.name for entry in CatalogEntry.objects.usable()] == ["b"]


def test_a_scan_that_failed_does_not_stand_for_one_that_was_done(folder, write, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(OSError, match="broken"):
        patched.setattr(
            catalog, "find_models", lambda folders: (_ for _ in ()).throw(OSError("broken"))
        )
        catalog.refresh()
    write("a.gguf")

    catalog.refresh()

    assert names() == ["a"]


def test_the_worker_scans_each_minute(folder, write):
    write("a.gguf")

    scan_model_folders.call_local()

    assert names() == ["a"]


def test_numbers_of_queries_do_not_grow_with_the_catalog(folder, write):
    counts = []
    for upto in (5, 50):
        for number in range(upto):
            write(f"{number}.gguf")
        catalog.scan()
        with CaptureQueriesContext(connection) as queries:
            catalog.scan()
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 3


def test_finding_stops_at_a_sane_number_of_files(folder, monkeypatch, caplog):
    monkeypatch.setattr("models_app.model_files.MAX_FILES", 10)
    for number in range(20):
        (folder / f"{number}.gguf").write_text("")

    assert len(find_models([folder])) == 10
    assert "stopped after 10 files" in caplog.text


# -- the default ------------------------------------------------------------------------------------


def test_there_is_no_default_without_a_usable_model(folder):
    (folder / "broken.gguf").write_text("text")
    catalog.scan()

    assert catalog.default_entry() is None
    assert not only_entry().is_default


def test_the_first_usable_model_becomes_the_default_and_stays_it(folder, write):
    (folder / "a-broken.gguf").write_text("text")
    write("m.gguf")
    catalog.scan()
    write("b.gguf")
    catalog.scan()

    default = catalog.default_entry()

    assert default is not None
    assert default.name == "m"
    assert default.is_default


def test_another_default_can_be_chosen(folder, write):
    for name in "abc":
        write(f"{name}.gguf")
    catalog.scan()

    catalog.set_default(CatalogEntry.objects.get(name="c"))

    assert catalog.default_entry() == CatalogEntry.objects.get(name="c")
    assert CatalogEntry.objects.filter(is_default=True).count() == 1


def test_another_model_stands_in_while_the_default_is_gone(folder, write):
    write("a.gguf")
    write("b.gguf")
    catalog.scan()
    catalog.set_default(CatalogEntry.objects.get(name="b"))
    (folder / "b.gguf").rename(folder / "away")
    catalog.scan()
    assert catalog.default_entry() == CatalogEntry.objects.get(name="a")

    (folder / "away").rename(folder / "b.gguf")
    catalog.scan()

    assert catalog.default_entry() == CatalogEntry.objects.get(name="b")


@pytest.mark.parametrize("fault", ["loops", "grows", "dies"])
def test_a_header_that_is_too_much_for_its_reader_is_listed_with_the_reason(
    folder, monkeypatch, fault
):
    monkeypatch.setattr(headers, "MODULE", "tests.inference.faulty_header_process")
    write_scripted_model(folder / "good.gguf", "Hi.", name="Good")
    write_scripted_model(folder / f"{fault}.gguf", "Hi.", name="Bad")

    catalog.scan()

    good, bad = (
        CatalogEntry.objects.get(path__endswith=f"{name}.gguf") for name in ("good", fault)
    )
    assert good.problem == ""
    assert "could not be read within the limits" in bad.problem
    assert writes_of_scan() == []
