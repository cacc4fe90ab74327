"""What programs are told when something goes wrong: one error, in the shape of each API.

The table below is the one place where errors of inference become a status.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from inference.causes import retry_of
from inference.errors import ContextWindowExceeded, ErrorInfo, ModelLoadFailed

TOO_LONG = "context_length_exceeded"

# By status: OpenAI's name of the kind of error, and Anthropic's.
KINDS = {
    400: ("invalid_request_error", "invalid_request_error"),
    401: ("authentication_error", "authentication_error"),
    403: ("permission_error", "permission_error"),
    404: ("not_found_error", "not_found_error"),
    405: ("invalid_request_error", "invalid_request_error"),
    409: ("conflict_error", "invalid_request_error"),
    413: ("invalid_request_error", "request_too_large"),
    415: ("invalid_request_error", "invalid_request_error"),
    429: ("rate_limit_error", "rate_limit_error"),
    499: ("cancelled_error", "api_error"),
    500: ("server_error", "api_error"),
    503: ("service_unavailable_error", "overloaded_error"),
}


class ApiError(Exception):
    """`str` is the sentence. `param`: the field that is wrong. `retry_after`: seconds, where waiting helps.
    `facts`: numbers that a program can act on."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        facts: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.facts = facts or {}
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))

    def for_openai(self) -> dict[str, Any]:
        error = {
            "message": str(self),
            "type": KINDS[self.status][0],
            "param": self.param,
            "code": self.code,
        }
        return {"error": {**error, **self.facts}}

    @property
    def _words_for_anthropic(self) -> str:
        """Its clients look for these words, and some for the numbers in them."""
        if self.code != TOO_LONG:
            return str(self)
        return "prompt is too long: {prompt_tokens} tokens > {context_window} maximum".format(
            **self.facts
        )

    def for_anthropic(self, request_id: str) -> dict[str, Any]:
        error = {"type": KINDS[self.status][1], "message": self._words_for_anthropic, **self.facts}
        return {"type": "error", "error": error, "request_id": request_id}


def too_long(info: ErrorInfo) -> ApiError:
    """Clients tell by the words “maximum context length is” that they have to shorten the conversation."""
    tokens, window = (int(info.facts[name]) for name in ("prompt_tokens", "context_window"))
    return ApiError(
        400,
        f"This prompt has {tokens} tokens, and this model's maximum context length is {window} tokens. Shorten "
        "it or start a new chat.",
        code=TOO_LONG,
        param="messages",
        facts={"prompt_tokens": tokens, "context_window": window},
    )


def invalid(message: str, param: str | None = None) -> ApiError:
    return ApiError(400, message, param=param, code="invalid_value")


def unsupported(message: str, param: str | None = None) -> ApiError:
    """It would change the result, and is not there."""
    return ApiError(400, message, param=param, code="unsupported_parameter")


@dataclass(frozen=True)
class Mapped:
    status: int
    code: str
    retry_after: float | None = None


MAPPED = {
    "invalid_request": Mapped(400, "invalid_value"),
    "model_file_invalid": Mapped(500, "model_file_invalid"),
    "model_load_failed": Mapped(503, "model_load_failed", 30),
    "chat_template_failed": Mapped(400, "chat_template_failed"),
    "runner_crashed": Mapped(503, "model_crashed", 5),
    "runner_stuck": Mapped(503, "model_stuck", 5),
    "model_unloaded": Mapped(503, "model_unloaded", 1),
    "overloaded": Mapped(503, "overloaded", 10),
    "generation_not_found": Mapped(404, "not_found"),
    "service_unavailable": Mapped(503, "service_unavailable", 2),
}
UNKNOWN = Mapped(500, "internal_error")


def of_inference(info: ErrorInfo) -> ApiError:
    """`info`'s sentence is fit for everybody; of its facts, numbers are."""
    if info.code == ContextWindowExceeded.code:
        return too_long(info)
    mapped = MAPPED.get(info.code, UNKNOWN)
    field = info.facts.get("field")
    return ApiError(
        mapped.status,
        info.message,
        code=mapped.code,
        param=str(field) if field else None,
        retry_after=_retry_after(info, mapped),
        facts={name: fact for name, fact in info.facts.items() if name in NUMBERS},
    )


def _retry_after(info: ErrorInfo, mapped: Mapped) -> float | None:
    """What the error itself says; else what is made of such failures of models, or of its code."""
    told = info.facts.get("retry_after")
    if isinstance(told, int | float):
        return told
    return retry_of(info).retry_after if info.code == ModelLoadFailed.code else mapped.retry_after


NUMBERS = ("prompt_tokens", "context_window", "queue_length")
