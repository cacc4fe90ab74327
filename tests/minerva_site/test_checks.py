"""Combinations that are refused or warned of at start."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from django.db import connection

from minerva_site import checks
from minerva_site.configuration import Configuration
from minerva_site.sqlite import is_sound, use_sound_sqlite, version_in_use


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_debug_pages_for_other_machines_are_an_error(host):
    found = checks.check_exposure(Configuration(debug=True, host=host))

    assert [message.id for message in found] == ["minerva.E001"]


def test_debug_pages_for_this_machine_only_are_allowed():
    assert checks.check_exposure(Configuration(debug=True, host="127.0.0.1")) == []
    assert checks.check_exposure(Configuration(debug=False, host="0.0.0.0")) == []


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 2), (3, 52, 0)])
def test_an_sqlite_that_can_corrupt_its_file_is_warned_of(version):
    assert [message.id for message in checks.check_sqlite(version)] == ["minerva.W001"]


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 53, 4), (4, 0, 0)])
def test_a_sound_sqlite_is_not_mentioned(version):
    assert checks.check_sqlite(version) == []


def test_a_folder_too_deep_for_a_socket_is_an_error():
    found = checks.check_socket_path(Configuration(data_dir=Path("/" + "d" * 90)))

    assert [message.id for message in found] == ["minerva.E002"]


@pytest.mark.django_db
def test_the_database_runs_on_the_sound_library():
    with connection.cursor() as cursor:
        cursor.execute("select sqlite_version()")
        version = tuple(int(part) for part in cursor.fetchone()[0].split("."))

    assert version == version_in_use()
    assert is_sound(version)


def test_a_sound_standard_library_is_kept(monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 60, 0))
    monkeypatch.setitem(__import__("sys").modules, "sqlite3", sqlite3)

    use_sound_sqlite()

    assert version_in_use() == (3, 60, 0)


@pytest.mark.django_db
def test_every_connection_has_the_settings_that_keep_the_data():
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "trusted_schema": 0,
        "mmap_size": 0,
        "temp_store": 2,
    }

    with connection.cursor() as cursor:
        found = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}

    assert found == wanted


def test_a_transaction_takes_the_write_lock_when_it_begins():
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
