"""Programs' requests go straight to the API: past sessions, cookies, forms and pages for people.

So no cookie can ever let a program, or another site's page, in here. Other sites' pages get at it only if
their origin is configured.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import Resolver404, resolve

from api import request_ids
from api.endpoints import refusal
from api.errors import ApiError

URLCONF = "api.urls"
PREFIXES = ("/v1/", "/tokenize/", "/detokenize/", "/metrics/", "/openapi.json/")
CORS_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": (
        "authorization, content-type, x-api-key, x-request-id, last-event-id, anthropic-version, "
        "anthropic-beta, anthropic-dangerous-direct-browser-access"
    ),
    "Access-Control-Max-Age": "600",
}
EXPOSED = "X-Request-Id, Request-Id, Retry-After, Minerva-Fallback"


class ApiMiddleware:
    """Stands before all others that know of people. Async or sync as the server is."""

    async_capable = True
    sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if not (request.path + "/").startswith(PREFIXES):
            response: HttpResponseBase | Awaitable[HttpResponseBase] = self.get_response(request)
            return response
        return answer(request) if self._is_async else async_to_sync(answer)(request)


async def answer(request: HttpRequest) -> HttpResponseBase:
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response: HttpResponseBase = HttpResponse(status=204, headers=CORS_HEADERS)
        _allow_headers(request, response)
    else:
        response = await _routed(request)
    _allow_origin(request, response)
    response.headers[request_ids.HEADER] = response.headers["Request-Id"] = request_ids.of(request)
    return response


async def _routed(request: HttpRequest) -> HttpResponseBase:
    try:
        match = resolve(request.path_info, urlconf=URLCONF)
    except Resolver404:
        return refusal(
            request, ApiError(404, "There is nothing at this address.", code="unknown_url")
        )
    request.resolver_match = match
    response: HttpResponseBase = await match.func(request, *match.args, **match.kwargs)
    return response


def _allow_headers(request: HttpRequest, response: HttpResponseBase) -> None:
    """All that it asks for: each maker's client has its own."""
    if asked := request.headers.get("Access-Control-Request-Headers"):
        response.headers["Access-Control-Allow-Headers"] = asked


def _allow_origin(request: HttpRequest, response: HttpResponseBase) -> None:
    """Never with credentials: there are none but the key."""
    response.headers["Vary"] = "Origin"
    origin = request.headers.get("Origin", "")
    if origin in settings.API_ORIGINS:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
