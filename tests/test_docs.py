"""The guides tell what there is: every command, every target, and links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = sorted(
    path.stem for path in ROOT.glob("*/management/commands/*.py") if path.stem != "__init__"
)
TARGETS = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_told_in_the_guide(command):
    assert f"## `manage.py {command}" in (ROOT / "docs" / "commands.md").read_text()


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_is_told_in_the_guide(target):
    assert f"`make {target}" in (ROOT / "docs" / "commands.md").read_text()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_guide_lead_to_files_that_are_there(path):
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]

    missing = [target for target in local if not (path.parent / target).exists()]

    assert missing == []


def test_every_page_of_the_guide_is_reached_from_its_start():
    start = (ROOT / "docs" / "README.md").read_text()

    unreached = [page.name for page in PAGES[1:] if f"({page.name})" not in start]

    assert unreached == ["README.md"]


def test_the_version_in_the_changelog_is_that_of_the_project():
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert version
    assert newest
    assert newest.group(1) == version.group(1)
