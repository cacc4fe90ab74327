"""The pairs of tokens that stand on each other, in both themes, against WCAG 2.2 AA."""

from __future__ import annotations

import re
from math import cos, radians, sin
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[2] / "static" / "css" / "tokens.css"
THEMES = ("light", "dark")
PAIR = re.compile(r"--([a-z-]+):\s*light-dark\(\s*oklch\(([\d. ]+)\),\s*oklch\(([\d. ]+)\)\s*\);")
GROUNDS = ("paper", "surface", "sunken")
TEXT = 4.5
GRAPHIC = 3.0

TEXT_PAIRS = [
    *((ink, ground) for ink in ("ink", "ink-muted", "accent", "bad") for ground in GROUNDS),
    ("ink", "accent-quiet"),
    ("ink-muted", "accent-quiet"),
    ("accent", "accent-quiet"),
    ("on-accent", "accent"),
    ("on-accent", "bad"),
]
GRAPHIC_PAIRS = [
    *((mark, ground) for mark in ("good", "warn", "bad", "accent") for ground in GROUNDS),
    *(("line-strong", ground) for ground in GROUNDS),
    ("accent", "accent-quiet"),
]

Colour = tuple[float, float, float]


def colours() -> dict[str, dict[str, Colour]]:
    found: dict[str, dict[str, Colour]] = {theme: {} for theme in THEMES}
    for name, light, dark in PAIR.findall(TOKENS.read_text()):
        found["light"][name] = _numbers(light)
        found["dark"][name] = _numbers(dark)
    return found


def _numbers(text: str) -> Colour:
    lightness, chroma, hue = (float(number) for number in text.split())
    return lightness, chroma, hue


def linear_rgb(colour: Colour) -> Colour:
    """OKLCH to linear sRGB (the matrices of CSS Color 4), clipped to what a screen shows."""
    lightness, chroma, hue = colour
    a, b = chroma * cos(radians(hue)), chroma * sin(radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return _clip(red), _clip(green), _clip(blue)


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def luminance(colour: Colour) -> float:
    red, green, blue = linear_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_that_of_wcag_for_black_on_white() -> None:
    assert contrast((0, 0, 0), (1, 0, 0)) == pytest.approx(21, abs=0.01)


def test_known_colour_converts_as_in_css() -> None:
    """oklch(0.628 0.2577 29.23) is pure red."""
    assert linear_rgb((0.62796, 0.25768, 29.234)) == pytest.approx((1, 0, 0), abs=0.001)


def test_every_colour_of_the_identity_is_a_token() -> None:
    expected = {"paper", "surface", "sunken", "ink", "ink-muted", "line", "accent", "accent-quiet"}

    assert expected | {"good", "warn", "bad"} <= colours()["light"].keys()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "ground"), TEXT_PAIRS)
def test_text_is_readable_on_its_ground(theme: str, text: str, ground: str) -> None:
    tokens = colours()[theme]

    assert contrast(tokens[text], tokens[ground]) >= TEXT


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("mark", "ground"), GRAPHIC_PAIRS)
def test_mark_and_edge_stand_out_from_their_ground(theme: str, mark: str, ground: str) -> None:
    tokens = colours()[theme]

    assert contrast(tokens[mark], tokens[ground]) >= GRAPHIC


def test_no_sheet_but_the_tokens_names_a_colour() -> None:
    """Sheets use tokens; a pair of their own is a light-dark() of two OKLCH colours."""
    bare = re.compile(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)|rgba?\(|hsla?\(")
    sheets = [sheet for sheet in TOKENS.parent.glob("*.css") if sheet != TOKENS]

    named = {sheet.name: found for sheet in sheets if (found := bare.findall(sheet.read_text()))}

    assert not named
