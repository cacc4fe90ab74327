"""What the script of the page *Downloads* asks for while it uploads a file. Its answers are JSON: `detail` is
a sentence for the person."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from models_app.access import staff_only
from models_app.downloads import storage, uploads
from models_app.downloads.uploads import OtherOffset, Refused
from models_app.models import Download
from models_app.tasks import run_downloads

SHA256 = re.compile(r"[0-9a-fA-F]{64}")
MAX_DIGITS = 15

logger = logging.getLogger(__name__)


@staff_only
@require_POST
def begin(request: HttpRequest) -> JsonResponse:
    """Where to send the pieces, and from which byte on."""
    given = request.POST
    size, modified = _number(given.get("size", "")), _number(given.get("modified", ""))
    sha256 = given.get("sha256", "").strip()
    if size is None or modified is None:
        return _refusal("This is not what a browser says of a file.", HTTPStatus.BAD_REQUEST)
    if sha256 and not SHA256.fullmatch(sha256):
        return _refusal(
            "A SHA-256 has 64 digits and letters from a to f. Correct it, or leave it empty.",
            HTTPStatus.UNPROCESSABLE_ENTITY,
        )
    try:
        download = uploads.begin(
            name=given.get("name", ""), size=size, modified=modified, sha256=sha256.lower()
        )
    except Refused as error:
        return _refusal(str(error), error.status)
    except OSError as error:
        return _disk_refusal(error)
    address = reverse("models:append_upload", args=[download.pk])
    have = storage.uploaded_size(download.pk)
    return _state(download, have, address=address, chunk=uploads.MAX_CHUNK)


@staff_only
@require_POST
def append(request: HttpRequest, download_id: UUID) -> JsonResponse:
    """The piece that begins at `offset`. 409: it has to begin elsewhere."""
    offset = _number(request.GET.get("offset", ""))
    if offset is None:
        return _refusal("This piece does not say where it belongs.", HTTPStatus.BAD_REQUEST)
    chunk = request.read(uploads.MAX_CHUNK + 1)
    if len(chunk) > uploads.MAX_CHUNK:
        return _refusal("This piece is too large.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        download = uploads.find(download_id)
        have = uploads.append(download, offset=offset, chunk=chunk)
    except Refused as error:
        return _refusal(str(error), error.status)
    except OtherOffset as error:
        return JsonResponse({"offset": error.offset}, status=HTTPStatus.CONFLICT)
    except OSError as error:
        return _disk_refusal(error)
    return _state(download, have)


def _state(download: Download, have: int, **facts: Any) -> JsonResponse:
    """With all of it there, it is the worker's."""
    is_whole = uploads.finish(download)
    if is_whole:
        run_downloads()
    return JsonResponse({"offset": have, "is_whole": is_whole, **facts})


def _number(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if is_number else None


def _refusal(sentence: str, status: HTTPStatus) -> JsonResponse:
    return JsonResponse({"detail": sentence}, status=status)


def _disk_refusal(error: OSError) -> JsonResponse:
    logger.warning("upload failed error=%s", error)
    advice = "See that there is space" if storage.is_full(error) else "Mend that"
    sentence = f"The disk refused it: {error.strerror}. {advice}, then choose the same file again."
    return _refusal(sentence, HTTPStatus.INSUFFICIENT_STORAGE)
