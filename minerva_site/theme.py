"""What the cookies say about how a page looks, so that the first paint is already right."""

from __future__ import annotations

from typing import Literal, TypedDict

from django.http import HttpRequest

Theme = Literal["light", "dark", "system"]
THEME_COOKIE = "minerva_theme"
SIDEBAR_COOKIE = "minerva_sidebar"


class Appearance(TypedDict):
    theme: Theme
    sidebar_state: Literal["open", "closed"]


def appearance(request: HttpRequest) -> Appearance:
    """Context processor. A cookie is whatever a browser sent: unknown values mean the default."""
    return {
        "theme": _theme(request.COOKIES.get(THEME_COOKIE)),
        "sidebar_state": "closed" if request.COOKIES.get(SIDEBAR_COOKIE) == "closed" else "open",
    }


def _theme(value: str | None) -> Theme:
    match value:
        case "light" | "dark":
            return value
        case _:
            return "system"
