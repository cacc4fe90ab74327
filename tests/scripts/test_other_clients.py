from __future__ import annotations

import hashlib

import other_clients
import pytest
from report import SetUpFailed


@pytest.fixture
def clients(tmp_path, monkeypatch):
    """A .clients of its own, and no program to be found."""
    monkeypatch.setattr(other_clients, "CLIENTS", tmp_path)
    monkeypatch.setattr(other_clients, "NODE", tmp_path / "node")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def plant(path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_nothing_is_installed_twice(clients, capsys):
    (clients / "node").mkdir()
    stamp = hashlib.sha256(other_clients.PACKAGE.read_bytes()).hexdigest()
    other_clients.note_made(clients / "node", stamp)

    other_clients.make_node()

    assert capsys.readouterr().out == ""


def test_without_node_what_is_skipped_is_told(clients, capsys):
    other_clients.make_node()

    assert "is skipped" in capsys.readouterr().out
    assert not (clients / "node").exists()


def test_what_npm_cannot_install_is_no_set_up(clients):
    plant(clients / "bin" / "node", "exit 0")
    plant(clients / "bin" / "npm", "exit 1")

    with pytest.raises(SetUpFailed, match="package registry"):
        other_clients.make_node()

    assert not (clients / "node" / "made-from").exists()


def test_the_package_for_node_is_pinned_and_names_no_address():
    written = other_clients.PACKAGE.read_text()

    assert "://" not in written
    assert '"openai": "6' in written
