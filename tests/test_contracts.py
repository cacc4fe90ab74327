"""Rules about the source itself that no linter knows."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "accounts",
    "api",
    "chat",
    "inference",
    "minerva_site",
    "models_app",
    "rendering",
    "scripts",
)
TEMPLATES = sorted(ROOT.glob("templates/**/*.html"))
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
REQUIREMENTS = [ROOT / f"requirements{kind}.txt" for kind in ("", "-dev", "-mlx")]
# The one place that may call HTML safe: there nh3 has cleaned it
RENDERING = ROOT / "rendering"
MAX_LINES = 400


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


class InlineCode(HTMLParser):
    """Collects what the content security policy refuses, in the template as it is written."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        # Template tags stand inside of start tags, where they would be read as attributes
        self.feed(re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", "x", text, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names and not _is_data(names)):
            self.found.append(f"<{tag}>")
        self.found += [f"{tag} {attribute}" for attribute in names if _runs(attribute)]
        self.found += [
            f"{tag} {attribute}={value}"
            for attribute, value in attrs
            if value and re.match(r"\s*(javascript|data|vbscript)\s*:", value, re.IGNORECASE)
        ]


def _is_data(attributes: dict[str, str | None]) -> bool:
    return attributes.get("type") in ("application/json", "text/plain")


def _runs(attribute: str) -> bool:
    return attribute == "style" or attribute.startswith(("on", "hx-on", "hx-vals:js"))


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_templates_hold_no_inline_script_style_or_handler(path):
    assert InlineCode(path.read_text(encoding="utf-8")).found == []


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<style>p {}</style>",
        '<p style="color: red">',
        "<p onclick='x()'>",
        "<p hx-on:click='x()'>",
        '<a href=" JavaScript:x()">',
    ],
)
def test_the_rule_about_inline_code_finds_it(html):
    assert len(InlineCode(html).found) == 1


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_templates_never_switch_escaping_off(path):
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"\|\s*safe(seq)?\b|{%\s*autoescape\s+off", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_templates_load_nothing_from_another_host(path):
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"""(?:src|href|action|hx-get|hx-post)=["'](?:https?:)?//""", text)


def test_only_the_rendering_of_answers_calls_html_safe():
    users = [
        name(path)
        for path in SOURCES
        if re.search(r"\bmark_safe\(|\bSafeString\(", path.read_text(encoding="utf-8"))
        and not path.is_relative_to(RENDERING)
    ]

    assert users == []


@pytest.mark.parametrize("path", REQUIREMENTS, ids=name)
def test_requirements_pin_versions_and_record_no_address(path):
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    pins = [line for line in lines if line]

    assert [pin for pin in pins if not re.match(r"^[a-z0-9-]+==[\w.+!]+( ;|$)", pin)] == []
    assert "://" not in path.read_text()


def test_what_the_tests_run_with_is_what_people_run_with():
    # A package that only some systems need may be needed on all of them by a tool for development
    run, development = (
        {line.split(" ;")[0] for line in path.read_text().splitlines() if "==" in line}
        for path in REQUIREMENTS[:2]
    )

    assert run - development == set()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_source_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_no_module_is_named_after_nothing():
    vague = {"utils", "util", "helpers", "common", "misc"}

    assert [name(path) for path in SOURCES if path.stem in vague] == []
