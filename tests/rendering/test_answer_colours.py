"""The colours of code against the ground of code blocks, in both themes (WCAG 2.2 AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rendering.highlight import span_classes
from tests.minerva_site.test_ui_contrast import PAIR, TEXT, THEMES, colours, contrast

SHEET = (Path(__file__).parents[2] / "static" / "css" / "answer.css").read_text()
PAIRS = {name: (light, dark) for name, light, dark in PAIR.findall(SHEET)}


def test_the_sheet_has_colours_for_code():
    assert len([name for name in PAIRS if name.startswith("code-")]) >= 6


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PAIRS)
def test_code_is_readable_in_each_colour(theme, name):
    lightness, chroma, hue = map(float, PAIRS[name][THEMES.index(theme)].split())

    assert contrast((lightness, chroma, hue), colours()[theme]["sunken"]) >= TEXT


def test_classes_that_the_sheet_colours_can_occur():
    lists = re.findall(r"\.answer :is\((\.[a-z][^)]*)\) \{\n  (?:color|font)", SHEET)
    named = {name.strip().removeprefix(".") for each in lists for name in each.split(",")}

    short = {name for name in named if "-" not in name}
    assert short
    assert short <= span_classes()
