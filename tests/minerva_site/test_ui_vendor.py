"""Vendored files are exactly those of the manifest, byte for byte."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

VENDOR = Path(__file__).parents[2] / "static" / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text())


def test_every_vendored_file_is_in_the_manifest() -> None:
    listed = {entry[key] for entry in MANIFEST for key in ("file", "licence_file")}

    assert {path.name for path in VENDOR.iterdir()} == listed | {"manifest.json"}


def test_vendored_files_have_the_hashes_of_the_manifest() -> None:
    hashes = {
        entry["file"]: hashlib.sha256((VENDOR / entry["file"]).read_bytes()).hexdigest()
        for entry in MANIFEST
    }

    assert hashes == {entry["file"]: entry["sha256"] for entry in MANIFEST}


def test_every_entry_says_what_it_is() -> None:
    expected = {"file", "name", "version", "licence", "licence_file", "source", "sha256"}

    assert all(entry.keys() == expected and all(entry.values()) for entry in MANIFEST)
