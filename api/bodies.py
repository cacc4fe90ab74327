"""A request's body as a typed value, or an error that names the field. Unknown fields are taken."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from django.http import HttpRequest

from api.errors import ApiError, invalid

T = TypeVar("T")
_PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`")


def read(request: HttpRequest, kind: type[T]) -> T:
    """Raises 400 and 415. The server has seen to the size."""
    if request.content_type != "application/json":
        raise ApiError(
            415, "Send JSON, with “Content-Type: application/json”.", code="unsupported_media_type"
        )
    try:
        return msgspec.json.decode(request.read(), type=kind)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The body is not valid JSON: {error}") from error


def left_out() -> msgspec.Raw:
    """What a part that is kept as it comes is where nothing came."""
    return msgspec.Raw()


def text_of(raw: msgspec.Raw) -> str:
    """The JSON of a part that was kept as it came; "" where it was left out, or null."""
    text = bytes(raw).decode("utf-8", "replace").strip()
    return "" if text == "null" else text


def is_given(raw: msgspec.Raw) -> bool:
    return bool(text_of(raw))


def _explained(message: str) -> ApiError:
    found = _PLACE.search(message)
    place = found["place"] if found else None
    sentence = _PLACE.sub("", message)
    return invalid(f"“{place}”: {sentence}." if place else f"{sentence}.", place or None)
