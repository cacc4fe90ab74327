"""The guide speaks only of what exists: each page, button, setting, command, file and key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve
from guide import topics

from minerva_site.configuration import Configuration
from rendering import render_markdown

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = "\n".join(path.read_text() for path in ROOT.glob("templates/**/*.html"))
SOURCES = "\n".join(
    path.read_text() for place in ("chat", "models_app") for path in ROOT.glob(f"{place}/**/*.py")
)
DOCUMENTATION = "\n".join(
    path.read_text() for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
)
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
CODE = r"`([^`]+)`"
ANSWERS = topics.load().answers


def told(pattern: str) -> list[str]:
    return sorted({found for answer in ANSWERS for found in re.findall(pattern, answer)})


def missing(named: list[str], exists: Callable[[str], bool]) -> list[str]:
    assert named, "a pattern that finds nothing tests nothing"
    return [name for name in named if not exists(name)]


def is_page(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def inside_code(pattern: str) -> list[str]:
    return sorted({found for code in told(CODE) for found in re.findall(pattern, code)})


def test_links_lead_to_pages():
    assert missing(told(r"\]\(([^)]+)\)"), is_page) == []


def test_links_are_shown_as_links():
    """The chat shows no other addresses within this site."""
    pages = told(r"\]\((/[^)]+)\)")

    assert missing(pages, lambda path: f'href="{path}"' in render_markdown(f"[x]({path})")) == []


def test_what_is_in_bold_stands_on_a_page():
    """Some of the words on buttons come from the code, whole."""
    labels = told(r"\*\*([^*]+)\*\*")

    def stands(label: str) -> bool:
        return bool(re.search(rf'[>}}"]\s*{label}\b', TEMPLATES)) or f'"{label}"' in SOURCES

    assert missing(labels, stands) == []


def test_states_and_lines_in_quotes_are_said_by_the_product():
    """Of what is in italics, whatever begins with a capital letter and is no question or name."""
    said = told(r"(?<!\*)\*([A-Z][a-z ]+)\*(?!\*)")

    assert (
        missing(said, lambda words: words in TEMPLATES or words in SOURCES or words in JAVASCRIPT)
        == []
    )


JAVASCRIPT = "\n".join(path.read_text() for path in ROOT.glob("static/js/**/*.js"))


def test_settings_exist():
    fields = {f"MINERVA_{name.upper()}" for name in Configuration.model_fields}

    assert missing(told(r"MINERVA_[A-Z_]*[A-Z]"), lambda name: name in fields) == []


def test_management_commands_exist():
    commands = get_commands()

    assert missing(inside_code(r"manage\.py ([a-z_]+)"), lambda name: name in commands) == []


def test_make_targets_exist():
    assert missing(inside_code(r"\bmake ([a-z-]+)"), lambda name: name in TARGETS) == []


@pytest.mark.parametrize("words", told(CODE))
def test_what_is_code_stands_in_the_documentation(words):
    """Paths, keys, options, files: told the same way to those who read and to those who ask."""
    assert words in DOCUMENTATION
