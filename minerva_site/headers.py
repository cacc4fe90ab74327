"""Security headers of every answer, static files and errors included.

The content security policy has no exception: no inline script, style or handler, nothing foreign.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "font-src 'self'; connect-src 'self' {websocket_origin}; media-src 'self' blob:; "
    "worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "object-src 'none'; frame-src 'none'; frame-ancestors 'none'; report-uri /csp-report"
)
PERMISSIONS_POLICY = (
    "camera=(), microphone=(), geolocation=(), usb=(), payment=(), clipboard-read=()"
)


class HeadersMiddleware:
    """Outermost, so that it also sees what the others answer. Async or sync as the server is."""

    async_capable = True
    sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self._is_async:
            return self._answer_async(request)
        return with_headers(request, self.get_response(request))

    async def _answer_async(self, request: HttpRequest) -> HttpResponse:
        return with_headers(request, await self.get_response(request))


def with_headers(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    policy = CONTENT_SECURITY_POLICY.format(websocket_origin=websocket_origin(request))
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    response.headers.setdefault("Cache-Control", "no-store")  # static files say otherwise
    return response


def websocket_origin(request: HttpRequest) -> str:
    """Where this page may open sockets, besides 'self': some browsers do not count ws: as that."""
    try:
        host = request.get_host()
    except DisallowedHost:
        return "'self'"
    return f"{'wss' if request.is_secure() else 'ws'}://{host}"
