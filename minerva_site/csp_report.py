"""Where browsers report what the content security policy stopped. Logged, in small numbers."""

from __future__ import annotations

import json
import logging

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

logger = logging.getLogger(__name__)

MAX_REPORT_BYTES = 8 * 1024
MAX_REPORTS_A_MINUTE = 20
FIELDS = ("document-uri", "effective-directive", "blocked-uri", "source-file", "line-number")
MAX_FIELD_LENGTH = 200


@csrf_exempt
@login_not_required
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    """Anybody can send anything here, so it is cut to size, and never answered with an error."""
    if _is_within_budget() and len(request.body) <= MAX_REPORT_BYTES:
        logger.warning("content security policy stopped something: %s", _summary(request.body))
    return HttpResponse(status=204)


def _is_within_budget() -> bool:
    key = "csp-reports"
    cache.add(key, 0, 60)
    try:
        return cache.incr(key) <= MAX_REPORTS_A_MINUTE
    except ValueError:
        return True  # the minute ended between the two calls


def _summary(body: bytes) -> dict[str, str]:
    """The fields of use, without query strings: these can hold what somebody typed."""
    try:
        report = json.loads(body)["csp-report"]
        found = {field: report[field] for field in FIELDS if field in report}
    except (ValueError, KeyError, TypeError):
        return {"unreadable": f"{len(body)} bytes"}
    return {
        field: str(value).partition("?")[0][:MAX_FIELD_LENGTH] for field, value in found.items()
    }
