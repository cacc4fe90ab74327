"""Downloads from a hub that misbehaves: what is listed as ready is what was promised, to the byte."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from models_app.downloads import job, progress, states, storage, transfer
from models_app.hub import files
from models_app.hub.http import CONNECT_SECONDS
from models_app.models import CatalogEntry, Download, DownloadState
from tests.inference.gguf_files import File
from tests.models_app import evil_hub as evil
from tests.models_app.conftest import wait_for
from tests.models_app.evil_hub import EvilHub

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

REPOSITORY = "owls/Night-1B-GGUF"
OWNER = "this worker"
END_STATES = {DownloadState.READY, DownloadState.FAILED}


def gguf(size: int = 200_000, *, seed: int = 0) -> bytes:
    """A whole GGUF file of about so many bytes that are like no others."""
    padding = random.Random(seed).randbytes(size - size % 32)
    return File(data=bytes(192) + padding).content()


@pytest.fixture
def hub(folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[EvilHub]:
    """It has one model. Minerva waits for nothing between two tries."""
    settings.MODELS_DIR = folder
    settings.DOWNLOADS_DIR = folder.parent / "downloads"
    settings.HUB_TOKEN = "hub-token"
    monkeypatch.setattr(job, "RETRY_SECONDS", (0,) * 8)
    with evil.evil_hub() as hub:
        settings.HUB_ENDPOINT = hub.address
        hub.add(REPOSITORY, {"night-Q4_K_M.gguf": gguf()})
        yield hub


def run(download: Download) -> Download:
    assert job.run_next(OWNER)
    download.refresh_from_db()
    return download


def obtained(**wanted: Any) -> Download:
    return run(states.request(**({"repository": REPOSITORY, "variant": "Q4_K_M"} | wanted)))


def placed(folder: Path, name: str = "night-Q4_K_M.gguf") -> Path:
    return folder / REPOSITORY / name


# -- the good case -----------------------------------------------------------------------------------


def test_a_model_is_downloaded_checked_and_listed(hub, folder):
    download = obtained()

    assert (download.state, download.reason) == (DownloadState.READY, "")
    assert download.revision == evil.REVISION
    assert download.percent == 100
    assert placed(folder).read_bytes() == hub.made[REPOSITORY].files["night-Q4_K_M.gguf"]
    entry = CatalogEntry.objects.usable().get()
    assert entry.path == str(placed(folder))
    assert not storage.folder_of(download.pk).exists()


def test_the_parts_of_a_split_model_and_its_projector_come_together(hub, folder):
    names = [f"Q8_0/night-Q8_0-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    files = {name: gguf(1000 * at, seed=at) for at, name in enumerate(names, start=10)}
    hub.add(REPOSITORY, files | {"mmproj-night.gguf": gguf(500), "README.md": b"# Night"})

    download = obtained(variant="Q8_0", with_projector=True)

    assert download.state == DownloadState.READY
    found = sorted(path.name for path in (folder / REPOSITORY).iterdir())
    assert found == ["mmproj-night.gguf", *[Path(name).name for name in names]]
    for name, data in files.items():
        assert placed(folder, Path(name).name).read_bytes() == data


CONFIG = "generation_config.json"
SAMPLING = b'{"temperature": 0.6, "top_k": 20}'


def with_config(hub: EvilHub, content: bytes = SAMPLING, **facts: Any) -> None:
    files = hub.made[REPOSITORY].files | {CONFIG: content}
    hub.add(REPOSITORY, files, **({"in_git": (CONFIG,)} | facts))


@pytest.mark.parametrize("in_git", [(CONFIG,), ()])
def test_what_its_makers_recommend_comes_along(hub, folder, in_git):
    with_config(hub, in_git=in_git)

    assert obtained().state == DownloadState.READY
    assert placed(folder, CONFIG).read_bytes() == SAMPLING
    assert CatalogEntry.objects.usable().get().sampling == {"temperature": 0.6, "top_k": 20}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"{" + b" " * 65536 + b"}"], ids=["empty", "cut", "list", "long"]
)
def test_a_recommendation_that_is_none_is_left_out(hub, folder, content):
    with_config(hub, content)

    assert obtained().state == DownloadState.READY
    assert sorted(path.name for path in placed(folder).parent.iterdir()) == ["night-Q4_K_M.gguf"]


@pytest.mark.parametrize(
    "fault",
    [
        *(evil.broken, evil.gone, evil.cut(5), evil.shorter, evil.longer, evil.other_total),
        *(evil.other_bytes, evil.packed, evil.wrong_range, evil.no_range, evil.not_satisfiable),
    ],
)
def test_a_recommendation_that_cannot_be_had_fails_no_download(hub, folder, fault):
    with_config(hub)
    hub.faults.extend([lambda _: None, fault])

    download = obtained()

    assert (download.state, download.reason) == (DownloadState.READY, "")
    assert not placed(folder, CONFIG).exists()
    assert CatalogEntry.objects.usable().get().sampling == {}


def test_a_recommendation_with_another_checksum_is_left_out(hub, folder):
    with_config(hub, checksums={CONFIG: "0" * 40})

    assert obtained().state == DownloadState.READY
    assert not placed(folder, CONFIG).exists()


def test_a_recommendation_that_trickles_is_not_waited_for(hub, folder, monkeypatch):
    monkeypatch.setattr(files, "PAGE_SECONDS", 0.1)
    with_config(hub)
    hub.faults.extend([lambda _: None, evil.slow(0.2, piece=1)])

    assert obtained().state == DownloadState.READY
    assert not placed(folder, CONFIG).exists()


def test_a_recommendation_that_is_there_is_kept(hub, folder):
    with_config(hub)
    placed(folder).parent.mkdir(parents=True)
    placed(folder, CONFIG).write_bytes(b'{"temperature": 1}')

    assert obtained().state == DownloadState.READY
    assert placed(folder, CONFIG).read_bytes() == b'{"temperature": 1}'


def test_what_is_there_already_is_not_fetched_again(hub):
    obtained()
    sent = hub.bytes_sent

    assert obtained().state == DownloadState.READY
    assert hub.bytes_sent == sent


def test_another_file_of_the_same_name_is_not_replaced(hub, folder):
    placed(folder).parent.mkdir(parents=True)
    placed(folder).write_bytes(b"mine")

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert "another file called" in download.reason
    assert placed(folder).read_bytes() == b"mine"


def before_it_is_put_in_place(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]
) -> None:
    """All bytes of a download are here when it does."""
    bring = job._bring

    def bring_and_more(*arguments: Any) -> None:
        monkeypatch.setattr(job, "_bring", bring)
        bring(*arguments)
        happens()

    monkeypatch.setattr(job, "_bring", bring_and_more)


def refused_links(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=["links", "no links"])
def with_and_without_links(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems give a file one name only."""
    if request.param == "no links":
        monkeypatch.setattr(os, "link", refused_links)


@pytest.mark.usefixtures("with_and_without_links")
def test_a_file_that_comes_there_during_the_download_is_not_replaced(hub, folder, monkeypatch):
    placed(folder).parent.mkdir(parents=True)
    before_it_is_put_in_place(monkeypatch, lambda: placed(folder).write_bytes(b"mine"))

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert download.reason.startswith("There is another file called night-Q4_K_M.gguf already")
    assert placed(folder).read_bytes() == b"mine"
    placed(folder).unlink()
    assert states.go_on(download.pk)
    assert run(download).state == DownloadState.READY


def at_address(hub: EvilHub, name: str, data: bytes) -> Download:
    """One of `model.gguf` at an address of its own."""
    hub.add(f"owls/{name}", {"model.gguf": data})
    address = f"{hub.address}/owls/{name}/resolve/{evil.REVISION}/model.gguf"
    return states.request(url=f"{address}#sha256:{hashlib.sha256(data).hexdigest()}")


@pytest.mark.usefixtures("with_and_without_links")
def test_of_two_files_of_one_name_that_come_at_once_one_is_put_in_place(hub, folder, monkeypatch):
    late, early = at_address(hub, "a", gguf(seed=1)), at_address(hub, "b", gguf(seed=2))
    before_it_is_put_in_place(monkeypatch, lambda: run(early))

    run(late)

    assert (early.state, late.state) == (DownloadState.READY, DownloadState.FAILED)
    assert "another file called model.gguf already" in late.reason
    assert (folder / "downloads" / "model.gguf").read_bytes() == gguf(seed=2)


@pytest.mark.usefixtures("with_and_without_links")
def test_the_same_file_that_comes_twice_at_once_is_ready_twice(hub, folder, monkeypatch):
    late, early = at_address(hub, "a", gguf(seed=1)), at_address(hub, "b", gguf(seed=1))
    before_it_is_put_in_place(monkeypatch, lambda: run(early))

    run(late)

    assert (early.state, late.state) == (DownloadState.READY, DownloadState.READY)
    assert [path.name for path in (folder / "downloads").iterdir()] == ["model.gguf"]
    assert list((folder.parent / "downloads").iterdir()) == []


def test_the_same_model_is_downloaded_once(hub):
    first = states.request(repository=REPOSITORY, variant="Q4_K_M")

    assert states.request(repository=REPOSITORY, variant="Q4_K_M") == first
    states.pause(first.pk)
    assert states.request(repository=REPOSITORY, variant="Q4_K_M") == first
    states.cancel(first.pk)
    assert states.request(repository=REPOSITORY, variant="Q4_K_M") != first


# -- faults that pass --------------------------------------------------------------------------------


def test_a_cut_connection_goes_on_where_it_was(hub, folder):
    size = len(hub.made[REPOSITORY].files["night-Q4_K_M.gguf"])
    hub.faults.extend(evil.cut(at) for at in (50_000, 1, 0, 70_000))

    assert obtained().state == DownloadState.READY
    # What is in flight when a connection is reset may be lost.
    assert size <= hub.bytes_sent < size * 1.8
    ranges = [headers["Range"] for _, path, headers in hub.requests if "Range" in headers]
    assert ranges


@pytest.mark.parametrize("fault", [evil.broken, evil.too_many, evil.shorter])
def test_a_fault_that_may_pass_is_tried_again(hub, fault):
    hub.faults.extend([fault, fault])

    assert obtained().state == DownloadState.READY


def test_a_hub_that_starts_over_is_followed(hub, folder):
    hub.faults.extend([evil.cut(50_000), evil.whole_instead_of_a_range])

    download = obtained()

    assert download.state == DownloadState.READY
    assert download.done_bytes == download.total_bytes


def test_bytes_that_are_wrong_once_are_fetched_again(hub):
    hub.faults.append(evil.other_bytes)

    assert obtained().state == DownloadState.READY


def test_two_versions_that_met_in_one_part_are_told_apart(hub, folder):
    """The file is changed at the hub while it is being fetched: its checksum tells."""
    hub.faults.append(evil.cut(100_000))
    download = states.request(repository=REPOSITORY, variant="Q4_K_M")
    storage.folder_of(download.pk).mkdir(parents=True)
    (storage.folder_of(download.pk) / "0.part").write_bytes(gguf(seed=9)[:60_000])

    assert run(download).state == DownloadState.READY
    assert placed(folder).read_bytes() == hub.made[REPOSITORY].files["night-Q4_K_M.gguf"]


# -- faults that stay --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (evil.broken, "busy or broken"),
        (evil.cut(0), "connection"),
        (evil.other_total, "another size"),
        (evil.longer, "More bytes"),
        (evil.other_bytes, "not the file that was promised"),
        (evil.packed, "packed"),
        (evil.gone, "no such"),
        (evil.not_satisfiable, "shorter"),
    ],
)
def test_a_fault_that_stays_fails_with_its_reason_and_nothing_listed(hub, folder, fault, words):
    hub.always = fault

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert words in download.reason
    assert list(folder.rglob("*.gguf")) == []
    assert not CatalogEntry.objects.exists()


@pytest.mark.parametrize(
    ("fault", "words"), [(evil.wrong_range, "another part"), (evil.no_range, "which part")]
)
def test_an_answer_of_another_part_is_refused(hub, fault, words):
    hub.faults.extend([evil.cut(50_000), fault])

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert words in download.reason


def test_retry_goes_on_with_what_came(hub):
    size = len(hub.made[REPOSITORY].files["night-Q4_K_M.gguf"])
    hub.faults.append(evil.cut(150_000))
    hub.faults.extend([evil.gone])
    download = obtained()
    assert download.state == DownloadState.FAILED
    have = sum(storage.part_size(file) for file in download.files.all())
    assert have > 0

    assert states.go_on(download.pk)
    assert run(download).state == DownloadState.READY
    assert hub.bytes_sent < size * 1.8


def test_a_file_whose_checksum_the_hub_gives_wrong_is_never_listed(hub, folder):
    hub.made[REPOSITORY].checksums["night-Q4_K_M.gguf"] = "0" * 64

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert list(folder.rglob("*.gguf")) == []


def test_a_file_that_came_whole_and_is_no_model_is_not_listed(hub, folder):
    hub.add(REPOSITORY, {"night-Q4_K_M.gguf": b"GGUF" + bytes(10_000)})

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert "came whole" in download.reason
    assert list(folder.rglob("*.gguf")) == []


# -- where it is sent ----------------------------------------------------------------------------------


def test_the_token_goes_to_the_hub_and_to_nobody_else(hub):
    obtained()

    with_token = {
        path.split("/")[1] for _, path, headers in hub.requests if "Authorization" in headers
    }
    without = {
        path.split("/")[1] for _, path, headers in hub.requests if "Authorization" not in headers
    }
    assert with_token == {"api", "owls"}
    assert without == {"cdn"}


def test_redirects_without_an_end_are_left(hub):
    hub.location = f"{hub.address}/{REPOSITORY}/resolve/main/night-Q4_K_M.gguf"

    assert "without an end" in obtained().reason


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "//", "http://[::1"]
)
def test_a_redirect_to_no_web_address_is_refused(hub, location):
    hub.location = location

    assert obtained().state == DownloadState.FAILED


@pytest.mark.parametrize(
    "name",
    [
        "../../evil-Q4_K_M.gguf",
        "..\\..\\evil-Q4_K_M.gguf",
        "/etc/evil-Q4_K_M.gguf",
        "C:\\evil-Q4_K_M.gguf",
        "a/%2e%2e/evil-Q4_K_M.gguf",
        ".hidden-Q4_K_M.gguf",
        "con-Q4_K_M.gguf/con.gguf",
        "evil\n-Q4_K_M.gguf",
        "x" * 300 + "-Q4_K_M.gguf",
    ],
)
def test_names_that_lead_elsewhere_are_no_files(hub, folder, name):
    hub.add(REPOSITORY, {name: gguf()})

    assert obtained().state == DownloadState.FAILED
    assert list(folder.parent.rglob("*.gguf")) == []


def test_a_gated_repository_says_what_to_do(hub, settings):
    hub.made[REPOSITORY].gated = True
    settings.HUB_TOKEN = ""

    download = obtained()

    assert "accept" in download.reason.lower()
    assert "token" in download.reason


def test_offline_nothing_is_asked(hub, settings):
    settings.HUB_IS_OFFLINE = True

    download = obtained()

    assert "offline" in download.reason
    assert hub.requests == []


def test_a_hub_that_is_not_there_says_so(hub, settings):
    settings.HUB_ENDPOINT = "http://127.0.0.1:9"

    assert "cannot be reached" in obtained().reason


# -- a disk that is full ---------------------------------------------------------------------------


def test_a_disk_without_room_is_seen_before_anything_is_fetched(hub, monkeypatch):
    usage = shutil.disk_usage("/")._replace(total=100 * 2**30, free=2 * 2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert "2.0 GiB free" in download.reason
    assert hub.bytes_sent == 0


def test_a_download_whose_own_folder_cannot_be_made_fails_and_others_go_on(hub, folder, settings):
    first = states.request(repository=REPOSITORY, variant="Q4_K_M")
    settings.DOWNLOADS_DIR.mkdir()
    storage.folder_of(first.pk).write_bytes(b"")
    hub.add("owls/other", {"other-Q4_K_M.gguf": gguf(seed=1)})
    second = states.request(repository="owls/other", variant="Q4_K_M")

    assert run(first).state == DownloadState.FAILED
    assert first.reason == "The disk refused it: File exists. Mend that, then retry."
    assert run(second).state == DownloadState.READY
    storage.folder_of(first.pk).unlink()
    assert states.go_on(first.pk)
    assert run(first).state == DownloadState.READY


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device. See that there is space"),
        (errno.EDQUOT, "Disk quota exceeded. See that there is space"),
        (errno.EROFS, "Read-only file system. Mend that, then retry."),
        (errno.EACCES, "Permission denied. Mend that, then retry."),
    ],
)
def test_where_no_folder_can_be_made_space_is_advised_only_if_it_lacks(
    hub, monkeypatch, number, words
):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    download = obtained()

    assert download.state == DownloadState.FAILED
    assert words in download.reason


@pytest.mark.parametrize("is_dangling", [False, True])
def test_a_file_where_its_folder_belongs_is_seen_before_anything_is_fetched(
    hub, folder, is_dangling
):
    owls = folder / "owls"
    if is_dangling:
        owls.symlink_to(folder / "nowhere")
    else:
        owls.write_bytes(b"mine")

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert "a file called owls where its folder belongs, which is not replaced" in download.reason
    assert hub.bytes_sent == 0


def test_a_disk_that_fills_up_keeps_what_came(hub, monkeypatch):
    write = storage.write_all
    written = 0

    def fills_up(descriptor: int, piece: bytes) -> None:
        nonlocal written
        written += len(piece)
        if written > 100_000:
            raise OSError(28, "No space left on device")
        write(descriptor, piece)

    monkeypatch.setattr(transfer, "write_all", fills_up)
    download = obtained()
    assert download.state == DownloadState.FAILED
    assert "space" in download.reason

    monkeypatch.undo()
    states.go_on(download.pk)
    assert storage.part_size(download.files.get()) > 0


# -- people ---------------------------------------------------------------------------------------------


def in_background(download: Download) -> threading.Thread:
    def work() -> None:
        job.run_next(OWNER)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    wait_for(lambda: _done(download) > 0, what="the first bytes")
    return thread


def _done(download: Download) -> int:
    return Download.objects.get(pk=download.pk).done_bytes


@pytest.fixture
def slow_hub(hub: EvilHub, monkeypatch: pytest.MonkeyPatch) -> EvilHub:
    hub.always = evil.slow(0.02, piece=2_000)
    monkeypatch.setattr(progress, "REPORT_SECONDS", 0.02)
    return hub


def test_pause_stops_it_and_resume_goes_on_from_there(slow_hub, folder):
    download = states.request(repository=REPOSITORY, variant="Q4_K_M")
    thread = in_background(download)

    assert states.pause(download.pk)
    thread.join(timeout=10)
    assert not thread.is_alive()
    download.refresh_from_db()
    assert download.state == DownloadState.PAUSED
    have = storage.part_size(download.files.get())
    assert 0 < have < 200_000

    slow_hub.always = None
    assert states.go_on(download.pk)
    assert run(download).state == DownloadState.READY
    assert f"bytes={have}-" in [headers.get("Range") for *_, headers in slow_hub.requests]


def test_cancel_stops_it_and_leaves_nothing(slow_hub, folder):
    download = states.request(repository=REPOSITORY, variant="Q4_K_M")
    thread = in_background(download)

    assert states.cancel(download.pk)
    thread.join(timeout=10)

    assert not storage.folder_of(download.pk).exists()
    assert list(folder.rglob("*.gguf")) == []
    assert not states.go_on(download.pk)
    assert not states.pause(download.pk)


def test_a_click_that_comes_too_late_changes_nothing(hub):
    download = obtained()

    assert not states.pause(download.pk)
    assert not states.cancel(download.pk)
    assert not states.go_on(download.pk)


# -- workers ------------------------------------------------------------------------------------------


def address_at(host: str, name: str = "m.gguf") -> str:
    return f"https://{host}/{name}#sha256:{'0' * 64}"


def claimed() -> Download | None:
    return states.claim("this worker")


def test_two_of_a_host_are_worked_on_at_once_and_three_in_all(hub):
    for number in range(4):
        states.request(repository=REPOSITORY, variant=f"Q{number}_0")
    elsewhere = [states.request(url=address_at(f"{name}.example")) for name in "ab"]

    first = claimed()
    assert first is not None
    assert claimed() is not None
    # The hub's others wait, and so do not those of somebody else.
    assert claimed() == elsewhere[0]
    assert claimed() is None

    states.end(first, DownloadState.READY)
    third = claimed()
    assert third is not None
    assert third.variant == "Q2_0"


def test_a_host_is_one_by_whatever_letters(hub):
    for name in ("A.example", "a.example", "a.EXAMPLE"):
        states.request(url=address_at(name, f"{name}.gguf"))

    assert [claimed() is not None for _ in range(3)] == [True, True, False]


def test_what_was_uploaded_waits_for_no_host(hub):
    for number in range(2):
        states.request(repository=REPOSITORY, variant=f"Q{number}_0")
    upload = states.request(url="upload:night.gguf")

    assert claimed() != upload
    assert claimed() != upload
    assert claimed() == upload


def test_what_a_dead_worker_left_is_taken_over_and_goes_on(hub, folder):
    hub.faults.append(evil.cut(100_000))
    download = states.request(repository=REPOSITORY, variant="Q4_K_M")
    claimed = states.claim("a worker that is killed")
    assert claimed == download
    assert states.claim(OWNER) is None

    assert states.release_expired(all_but=OWNER) == 1
    assert run(download).state == DownloadState.READY
    with pytest.raises(states.LeaseLost):
        states.renew(claimed, done_bytes=1)


def test_a_lease_that_is_not_renewed_is_over(hub, monkeypatch):
    monkeypatch.setattr(states, "LEASE_SECONDS", -1)
    states.request(repository=REPOSITORY, variant="Q4_K_M")
    assert states.claim("a worker that is killed")

    assert states.claim(OWNER)


def test_two_runs_of_one_download_never_write_at_once(slow_hub):
    """It was paused and resumed while the first run still hung on its connection."""
    download = states.request(repository=REPOSITORY, variant="Q4_K_M")
    thread = in_background(download)
    with pytest.raises(storage.Busy), storage.alone(download.pk):
        raise AssertionError("two writers")
    states.cancel(download.pk)
    thread.join(timeout=10)


def test_a_run_that_finds_an_earlier_one_waits_in_the_queue_again(hub, monkeypatch):
    """Paused and resumed while the first run still hung on its connection."""
    monkeypatch.setattr(job, "BUSY_SECONDS", 0)
    download = states.request(repository=REPOSITORY, variant="Q4_K_M")
    storage.folder_of(download.pk).mkdir(parents=True)
    with storage.alone(download.pk):
        assert run(download).state == DownloadState.QUEUED

    assert run(download).state == DownloadState.READY


def test_a_click_while_an_earlier_run_is_waited_for_holds(hub, monkeypatch):
    download = states.request(repository=REPOSITORY, variant="Q4_K_M")
    monkeypatch.setattr(time, "sleep", lambda seconds: states.pause(download.pk))
    storage.folder_of(download.pk).mkdir(parents=True)
    with storage.alone(download.pk):
        assert run(download).state == DownloadState.PAUSED


def test_a_lease_is_longer_than_any_silence_that_is_waited_for():
    assert states.LEASE_SECONDS > files.STALL_SECONDS + CONNECT_SECONDS


def test_parts_that_are_in_place_already_are_not_fetched_again(hub, folder):
    """It was killed between the renames of its parts."""
    names = [f"night-Q8_0-0000{number}-of-00002.gguf" for number in (1, 2)]
    files = {name: gguf(50_000, seed=at) for at, name in enumerate(names)}
    hub.add(REPOSITORY, files)
    placed(folder, names[1]).parent.mkdir(parents=True)
    placed(folder, names[1]).write_bytes(files[names[1]])

    assert obtained(variant="Q8_0").state == DownloadState.READY
    assert placed(folder, names[0]).read_bytes() == files[names[0]]
    assert hub.bytes_sent < 60_000


def test_a_file_of_the_same_name_and_size_is_not_taken_for_the_right_one(hub, folder):
    data = bytearray(hub.made[REPOSITORY].files["night-Q4_K_M.gguf"])
    data[-1] ^= 1
    placed(folder).parent.mkdir(parents=True)
    placed(folder).write_bytes(data)

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert "another file called" in download.reason
    assert placed(folder).read_bytes() == data


def test_a_limit_holds_for_all_downloads_together(hub, settings):
    settings.DOWNLOAD_BYTES_PER_SECOND = 400_000
    limit = progress.Limit()
    delays = [limit.delay(100_000, bytes_per_second=400_000) for _ in range(4)]

    assert delays[-1] == pytest.approx(1.0, abs=0.05)
    assert progress.Limit().delay(100_000, bytes_per_second=0) == 0


def test_checking_what_is_here_is_not_limited(hub, settings):
    """A byte a second: the file comes at once only because it is here already."""
    download = states.request(repository=REPOSITORY, variant="Q4_K_M")
    storage.folder_of(download.pk).mkdir(parents=True)
    data = hub.made[REPOSITORY].files["night-Q4_K_M.gguf"]
    (storage.folder_of(download.pk) / "0.part").write_bytes(data)
    settings.DOWNLOAD_BYTES_PER_SECOND = 1

    assert run(download).state == DownloadState.READY


# -- a plain address -------------------------------------------------------------------------------------


def test_a_file_of_a_plain_address_is_checked_by_the_sum_that_was_given(hub, folder):
    data = hub.made[REPOSITORY].files["night-Q4_K_M.gguf"]
    address = f"{hub.cdn_address}/cdn/{REPOSITORY}/night-Q4_K_M.gguf"
    right = f"{address}#sha256:{hashlib.sha256(data).hexdigest()}"

    download = obtained(repository="", variant="", url=right)
    assert download.state == DownloadState.READY
    assert (folder / "downloads" / "night-Q4_K_M.gguf").read_bytes() == data


def test_a_file_with_another_sum_than_was_given_is_refused(hub, folder):
    address = f"{hub.cdn_address}/cdn/{REPOSITORY}/night-Q4_K_M.gguf#sha256:{'0' * 64}"

    download = obtained(repository="", variant="", url=address)

    assert download.state == DownloadState.FAILED
    assert list(folder.rglob("*.gguf")) == []


# -- very many ------------------------------------------------------------------------------------------

NUM_RUNS = 1000


@pytest.mark.timeout(600)
def test_a_thousand_downloads_from_an_evil_hub_end_in_a_state_and_none_is_corrupt(hub, folder):
    """Each of its own model, with up to six faults on its way."""
    generator = random.Random(5)
    hub.made.clear()
    ends: list[str] = []
    for number in range(NUM_RUNS):
        name = f"owls/model-{number}"
        data = gguf(20_000 + generator.randrange(20_000), seed=number)
        hub.made = {name: evil.Made({"m-Q4_0.gguf": data})}
        hub.faults.clear()
        num_faults = generator.choice([0, 1, 1, 2, 3, 6])
        hub.faults.extend(evil.random_fault(generator, len(data)) for _ in range(num_faults))
        download = obtained(repository=name, variant="Q4_0")
        assert download.state in END_STATES
        path = folder / name / "m-Q4_0.gguf"
        assert path.exists() is (download.state == DownloadState.READY)
        if path.exists():
            assert path.read_bytes() == data
            shutil.rmtree(path.parent)
        else:
            assert download.reason
        ends.append(download.state)

    assert ends.count(DownloadState.READY) > NUM_RUNS / 3
    assert ends.count(DownloadState.FAILED) > NUM_RUNS / 10
