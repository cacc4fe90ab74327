"""A file that a browser sends in pieces is listed when it is whole and checked, and not before."""

from __future__ import annotations

import errno
import hashlib
import html
import os
import random
import shutil
import threading
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from minerva_site.limits import BODY_LIMIT, UPLOAD_BODY_LIMIT, body_limit
from models_app.downloads import job, states, storage, uploads
from models_app.models import CatalogEntry, Download, DownloadFile, DownloadState
from tests.inference.gguf_files import File

pytestmark = pytest.mark.django_db(transaction=True)

BEGIN = "/models/uploads/"
PIECE = 60_000


def gguf(size: int = 200_000) -> bytes:
    return File(data=bytes(192) + random.Random(0).randbytes(size - size % 32)).content()


DATA = gguf()


@pytest.fixture(autouse=True)
def places(folder: Path, settings: Any) -> None:
    settings.MODELS_DIR = folder
    settings.DOWNLOADS_DIR = folder.parent / "downloads"


def begin(client: Client, **facts: object) -> Any:
    given = {"name": "night.gguf", "size": len(DATA), "modified": 1_700_000_000_000}
    return client.post(BEGIN, given | facts)


def send(client: Client, address: str, offset: int | str, chunk: bytes) -> Any:
    return client.post(f"{address}?offset={offset}", chunk, content_type="application/octet-stream")


def send_all(client: Client, begun: Any, data: bytes = DATA) -> Any:
    offset, answer = begun.json()["offset"], begun
    while offset < len(data):
        piece = data[offset : offset + PIECE]
        answer = send(client, begun.json()["address"], offset, piece)
        offset += len(piece)
    return answer


def finished() -> Download:
    assert job.run_next("this worker")
    return Download.objects.latest("created_at")


def placed(folder: Path, name: str = "night.gguf") -> Path:
    return folder / "uploads" / name


# -- the good case ---------------------------------------------------------------------------------


def test_a_file_in_pieces_is_put_together_checked_and_listed(staff, folder):
    begun = begin(staff)
    assert begun.json()["offset"] == 0
    assert begun.json()["chunk"] == uploads.MAX_CHUNK

    assert send_all(staff, begun).json() == {"offset": len(DATA), "is_whole": True}
    assert not CatalogEntry.objects.exists()
    assert list(folder.rglob("*.gguf")) == []

    download = finished()
    assert (download.state, download.reason) == (DownloadState.READY, "")
    assert placed(folder).read_bytes() == DATA
    assert CatalogEntry.objects.usable().get().path == str(placed(folder))
    assert not storage.folder_of(download.pk).exists()


def test_the_same_file_goes_on_where_it_was(staff, folder):
    send(staff, begin(staff).json()["address"], 0, DATA[:PIECE])

    begun = begin(staff)

    assert begun.json()["offset"] == PIECE
    assert Download.objects.count() == 1
    send_all(staff, begun)
    assert finished().state == DownloadState.READY
    assert placed(folder).read_bytes() == DATA


def test_a_file_that_is_all_there_but_was_not_handed_over_is(staff, folder):
    """The web process died between the last byte and its answer."""
    download = Download.objects.get(pk=begin(staff).json()["address"].rpartition("/")[2])
    (storage.folder_of(download.pk) / "0.part").write_bytes(DATA)

    assert begin(staff).json()["is_whole"] is True
    assert finished().state == DownloadState.READY


def test_a_given_checksum_is_compared(staff, folder):
    right = hashlib.sha256(DATA).hexdigest()
    send_all(staff, begin(staff, sha256=right.upper()))
    assert finished().state == DownloadState.READY

    send_all(staff, begin(staff, name="other.gguf", sha256="0" * 64))
    download = finished()
    assert download.state == DownloadState.FAILED
    assert "another SHA-256" in download.reason
    assert not placed(folder, "other.gguf").exists()


def test_a_checksum_that_is_given_later_is_compared(staff, folder):
    send(staff, begin(staff).json()["address"], 0, DATA[:PIECE])

    send_all(staff, begin(staff, sha256="0" * 64))

    download = finished()
    assert download.state == DownloadState.FAILED
    assert "another SHA-256" in download.reason
    assert not placed(folder).exists()


def test_a_checksum_stays_and_another_one_is_refused(staff):
    right = hashlib.sha256(DATA).hexdigest()
    begin(staff, sha256=right)

    response = begin(staff, sha256="0" * 64)

    assert response.status_code == 409
    assert "begun with another SHA-256" in response.json()["detail"]
    for given in ("", right.upper()):
        assert begin(staff, sha256=given).status_code == 200
        assert DownloadFile.objects.get().checksum == f"sha256:{right}"


def test_a_whole_file_that_is_no_model_is_not_kept(staff, folder):
    data = b"GGUF" + bytes(10_000)
    send_all(staff, begin(staff, size=len(data)), data)

    download = finished()

    assert download.state == DownloadState.FAILED
    assert "cannot be used" in download.reason
    assert not download.can_go_on
    assert not storage.folder_of(download.pk).exists()
    assert list(folder.rglob("*.gguf")) == []


def test_a_worker_that_died_after_the_rename_ends_it_well(staff, folder):
    send_all(staff, begin(staff))
    download = Download.objects.get()
    file = download.files.get()
    placed(folder).parent.mkdir()
    os.replace(storage.part_of(file), placed(folder))

    assert finished().state == DownloadState.READY


def test_a_worker_that_died_while_it_had_two_names_ends_it_well(staff, folder):
    send_all(staff, begin(staff))
    placed(folder).parent.mkdir()
    os.link(storage.part_of(Download.objects.get().files.get()), placed(folder))

    download = finished()

    assert download.state == DownloadState.READY
    assert placed(folder).stat().st_nlink == 1


def test_a_file_that_came_there_meanwhile_is_not_replaced(staff, folder):
    send_all(staff, begin(staff))
    placed(folder).parent.mkdir()
    placed(folder).write_bytes(b"y" * len(DATA))

    download = finished()

    assert download.state == DownloadState.FAILED
    assert placed(folder).read_bytes() == b"y" * len(DATA)
    placed(folder).unlink()
    assert download.can_go_on
    assert states.go_on(download.pk)
    assert finished().state == DownloadState.READY


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "status", "words"),
    [
        ({"name": "../evil.gguf"}, 422, "name"),
        ({"name": "..\\evil.gguf"}, 422, "name"),
        ({"name": "/etc/evil.gguf"}, 422, "name"),
        ({"name": "a/b.gguf"}, 422, "name"),
        ({"name": ".gguf"}, 422, "name"),
        ({"name": "con.gguf"}, 422, "name"),
        ({"name": "new\nline.gguf"}, 422, "name"),
        ({"name": "x" * 300 + ".gguf"}, 422, "name"),
        ({"name": "night.bin"}, 422, "GGUF"),
        ({"name": ""}, 422, "GGUF"),
        ({"size": 0}, 422, "empty"),
        ({"size": uploads.MAX_BYTES + 1}, 413, "larger than 200 GiB"),
        ({"size": "9" * 30}, 400, "browser"),
        ({"size": -1}, 400, "browser"),
        ({"size": "٣"}, 400, "browser"),
        ({"modified": "x"}, 400, "browser"),
        ({"sha256": "abc"}, 422, "64 digits"),
    ],
)
def test_what_cannot_be_uploaded_is_refused_with_the_reason(staff, folder, facts, status, words):
    response = begin(staff, **facts)

    assert response.status_code == status
    assert words in response.json()["detail"]
    assert not Download.objects.exists()
    assert not DownloadFile.objects.exists()


def test_a_file_of_the_largest_size_is_begun(staff, monkeypatch):
    usage = shutil.disk_usage("/")._replace(total=2**50, free=2**50)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    assert begin(staff, size=uploads.MAX_BYTES).status_code == 200


def test_a_disk_without_room_is_seen_first(staff, monkeypatch):
    usage = shutil.disk_usage("/")._replace(total=100 * 2**30, free=2 * 2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    response = begin(staff)

    assert response.status_code == 507
    assert "2.0 GiB free" in response.json()["detail"]


def test_what_other_uploads_still_need_counts(staff, monkeypatch):
    usage = shutil.disk_usage("/")._replace(total=100 * 2**30, free=10 * 2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    assert begin(staff, size=7 * 2**30).status_code == 200
    assert begin(staff, name="other.gguf", size=7 * 2**30).status_code == 507


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device. See that there is space, then choose"),
        (errno.EROFS, "Read-only file system. Mend that, then choose"),
    ],
)
def test_a_disk_that_refuses_more_keeps_what_came(staff, monkeypatch, number, words):
    address = begin(staff).json()["address"]
    send(staff, address, 0, DATA[:PIECE])

    def full(descriptor: int, piece: bytes) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(storage, "write_all", full)
        response = send(staff, address, PIECE, DATA[PIECE:])

    assert response.status_code == 507
    assert words in response.json()["detail"]
    assert begin(staff).json()["offset"] == PIECE


def test_another_file_of_the_name_of_an_unfinished_one_is_refused(staff):
    begin(staff)

    for facts in ({"size": 5}, {"modified": 1}):
        response = begin(staff, **facts)
        assert response.status_code == 409
        assert "half uploaded" in response.json()["detail"]


def test_a_name_that_is_there_already_is_refused(staff, folder):
    placed(folder).parent.mkdir()
    placed(folder).write_bytes(b"mine")

    response = begin(staff)

    assert response.status_code == 409
    assert not Download.objects.exists()


def test_one_that_is_being_checked_is_not_begun_again(staff):
    send_all(staff, begin(staff))

    response = begin(staff)

    assert response.status_code == 409
    assert "being checked" in response.json()["detail"]


def test_uploads_without_an_end_are_bounded(staff):
    for number in range(uploads.MOST_UNFINISHED):
        assert begin(staff, name=f"n{number}.gguf").status_code == 200

    assert begin(staff, name="one-more.gguf").status_code == 409
    assert begin(staff, name="n0.gguf").status_code == 200


# -- pieces ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 1, PIECE - 1, PIECE + 1, 10**12])
def test_a_piece_for_elsewhere_is_told_where_to_go_on(staff, offset):
    address = begin(staff).json()["address"]
    send(staff, address, 0, DATA[:PIECE])

    response = send(staff, address, offset, DATA[:10])

    assert response.status_code == 409
    assert response.json() == {"offset": PIECE}
    assert storage.uploaded_size(Download.objects.get().pk) == PIECE


@pytest.mark.parametrize("offset", ["", "-1", "x", "9" * 5000])
def test_a_piece_that_says_nothing_sensible_is_refused(staff, offset):
    assert send(staff, begin(staff).json()["address"], offset, b"x").status_code == 400


def test_more_than_the_file_has_is_refused(staff):
    address = begin(staff, size=10).json()["address"]

    assert send(staff, address, 0, b"x" * 11).status_code == 413
    assert storage.uploaded_size(Download.objects.get().pk) == 0


@pytest.mark.parametrize(("extra", "status"), [(0, 200), (1, 413), (2**20, 413)])
def test_a_piece_has_a_limit(staff, extra, status):
    address = begin(staff, size=2**30).json()["address"]

    assert send(staff, address, 0, bytes(uploads.MAX_CHUNK + extra)).status_code == status


def test_the_web_server_takes_a_whole_piece_there_and_nowhere_else():
    assert body_limit(b"/models/uploads/x?offset=0") == UPLOAD_BODY_LIMIT == uploads.MAX_CHUNK
    assert body_limit(b"/models/downloads/start") == BODY_LIMIT


def test_two_pages_that_send_the_same_file_do_not_mix(staff):
    """Whoever comes second is told where to go on: what is written is the file, in its order."""
    download = Download.objects.get(pk=begin(staff).json()["address"].rpartition("/")[2])

    def write() -> None:
        have = 0
        while have < len(DATA):
            try:
                have = uploads.append(download, offset=have, chunk=DATA[have : have + 1000])
            except uploads.OtherOffset as error:
                have = error.offset
        connection.close()

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert (storage.folder_of(download.pk) / "0.part").read_bytes() == DATA


def test_a_cancelled_upload_is_gone(staff):
    address = begin(staff).json()["address"]
    send(staff, address, 0, DATA[:PIECE])
    download = Download.objects.get()

    staff.post(f"/models/downloads/{download.pk}/cancel")

    assert not storage.folder_of(download.pk).exists()
    assert send(staff, address, PIECE, DATA[PIECE:]).status_code == 410
    assert begin(staff).json()["offset"] == 0
    assert send(staff, f"{BEGIN}{uuid.uuid4()}", 0, b"x").status_code == 410


# -- who and what is shown --------------------------------------------------------------------------


def test_members_and_strangers_upload_nothing(staff, member):
    address = begin(staff).json()["address"]

    assert begin(member, name="theirs.gguf").status_code == 403
    assert send(member, address, 0, b"x").status_code == 403
    assert begin(Client(), name="theirs.gguf").status_code == 302
    assert staff.get(BEGIN).status_code == 405
    assert storage.uploaded_size(Download.objects.get().pk) == 0


def page_of(client: Client) -> str:
    return html.unescape(client.get("/models/downloads/").content.decode())


def test_the_page_shows_how_far_an_upload_is_and_when_it_stopped(staff):
    address = begin(staff).json()["address"]
    send(staff, address, 0, DATA[: len(DATA) // 2])

    page = page_of(staff)
    assert "night.gguf" in page
    assert "Uploading 49 %" in page or "Uploading 50 %" in page
    assert 'hx-trigger="every 1s"' in page

    Download.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    page = page_of(staff)
    assert "Upload stopped at" in page
    assert "Choose the same file again" in page


def test_no_worker_takes_what_is_still_being_uploaded(staff):
    begin(staff)

    assert not job.run_next("this worker")
    assert states.release_expired() == 0
    assert Download.objects.get().state == DownloadState.UPLOADING


def test_the_page_says_what_to_do_without_javascript(staff):
    page = page_of(staff)

    assert "Uploading needs JavaScript" in page
    assert 'data-upload="/models/uploads/"' in page
