"""What stands around every endpoint: method, key, rate, errors in the API's own shape, one log line."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from api import metrics, request_ids
from api.admission import count_request
from api.callers import Caller, caller_of
from api.errors import ApiError, invalid, of_inference
from inference.errors import InferenceError

Handler = Callable[..., Coroutine[Any, Any, HttpResponseBase]]

logger = logging.getLogger(__name__)


def endpoint(name: str, *, needs_key: bool = True, **handlers: Handler) -> Handler:
    """A view: `endpoint("models", GET=list_models)`. A handler gets the request and who calls, if that has to
    be known."""

    async def view(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        began_at = time.monotonic()
        try:
            handler = _handler(request, handlers)
            callers = [await _caller(request)] if needs_key else []
            response = await handler(request, *callers, **arguments)
        except ApiError as error:
            response = refusal(request, error)
        except InferenceError as error:
            response = refusal(request, of_inference(error.info))
        except SuspiciousOperation as error:  # far too many fields in the address, for one
            response = refusal(request, invalid(f"{error}"))
        except Exception:
            logger.exception("api failed request=%s", request_ids.of(request))
            response = refusal(request, broken())
        metrics.REQUESTS.labels(name, response.status_code).inc()
        logger.info(
            "api %s %s status=%d request=%s seconds=%.3f",
            *(request.method, name, response.status_code, request_ids.of(request)),
            time.monotonic() - began_at,
        )
        return response

    view.methods = tuple(handlers)  # type: ignore[attr-defined]
    return view


def refusal(request: HttpRequest, error: ApiError) -> HttpResponse:
    name = request_ids.of(request)
    shape = error.for_anthropic(name) if is_anthropic(request) else error.for_openai()
    body = msgspec.json.encode(shape)
    return HttpResponse(
        body, status=error.status, content_type="application/json", headers=error.headers
    )


def broken() -> ApiError:
    return ApiError(
        500, "Something went wrong in Minerva. Try again; the log has the cause.", code="internal"
    )


def is_anthropic(request: HttpRequest) -> bool:
    """By the path; a list of models is asked for at the same one by all."""
    return request.path.startswith("/v1/messages") or "anthropic-version" in request.headers


def _handler(request: HttpRequest, handlers: dict[str, Handler]) -> Handler:
    method = "GET" if request.method == "HEAD" else str(request.method)
    if method not in handlers:
        allowed = ", ".join(handlers)
        raise ApiError(405, f"Only {allowed} here.", code="method", headers={"Allow": allowed})
    return handlers[method]


async def _caller(request: HttpRequest) -> Caller:
    caller = await caller_of(request)
    count_request(caller)
    return caller
