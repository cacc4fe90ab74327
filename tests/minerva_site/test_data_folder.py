"""The data folder is private, and the tests have one of their own."""

from __future__ import annotations

import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.conf import settings

from minerva_site.data_folder import create_private_file, prepare_data_folder, secret_key


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_tests_do_not_work_in_the_folder_of_the_user():
    assert settings.DATA_DIR.is_relative_to(tempfile.gettempdir())
    assert settings.CONFIGURATION.database_path.is_relative_to(settings.DATA_DIR)


def test_the_folder_is_closed_to_others_even_if_it_was_there_and_open(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)

    prepare_data_folder(folder)

    assert mode(folder) == 0o700
    assert {path.name for path in folder.iterdir()} == {
        "logs",
        "models",
        "run",
    }


def test_the_secret_key_is_made_once_and_readable_by_its_user_only(tmp_path):
    first = secret_key(tmp_path)

    assert secret_key(tmp_path) == first
    assert len(first) >= 64
    assert mode(tmp_path / "secret_key") == 0o600


def test_of_many_processes_that_make_a_private_file_one_wins(tmp_path):
    path = tmp_path / "token"

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda number: create_private_file(path, str(number)), range(20)))

    assert path.read_text().strip() in {str(number) for number in range(20)}
    assert [found.name for found in tmp_path.iterdir()] == ["token"]
