"""Links for other people: with an address under which they reach this Minerva."""

from __future__ import annotations

from django.http import HttpRequest


def absolute(request: HttpRequest, path: str) -> str:
    return request.build_absolute_uri(path)
