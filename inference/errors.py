"""Every error that inference can hand to a caller, as one tree.

InferenceError
├── InvalidRequest            a field of the request is out of bounds
│   └── ContextWindowExceeded the prompt does not fit
├── ModelFileInvalid          the file is not a usable model
├── ModelLoadFailed           no link of the fallback chain could load it
├── ChatTemplateFailed        the model's own template refused or ran away
├── RunnerCrashed             the model's process died under a request
├── RunnerStuck               it lives but makes no progress, and was ended
├── ModelUnloaded             someone took the model out of memory under a request
├── RemoteRefused             the server that has the model answered with an error
├── RemoteUnreachable         it cannot be reached, or broke off
├── Overloaded                the queue is full
├── GenerationNotFound        no log under this id (never started, or already folded away)
└── ServiceUnavailable        the inference service does not answer

An error is raised where it happens, with its facts; it travels between processes as `ErrorInfo`
and is raised again as the same class on the other side. `str(error)` is the one sentence a user
reads: what happened and what to do next. It never holds a path, an address or a traceback.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

Fact = int | float | str


class ErrorInfo(msgspec.Struct, frozen=True):
    """An error on the wire or in a message row: the class's code, its sentence and its facts."""

    code: str
    message: str
    facts: dict[str, Fact] = {}
    retryable: bool = False


class InferenceError(Exception):
    """Base of the tree. `retryable`: the same request may well succeed if simply sent again."""

    code: ClassVar[str] = "inference_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **facts: Fact) -> None:
        super().__init__(message)
        self.facts = facts

    @property
    def info(self) -> ErrorInfo:
        return ErrorInfo(self.code, str(self), self.facts, self.retryable)


class InvalidRequest(InferenceError):
    code = "invalid_request"


class ContextWindowExceeded(InvalidRequest):
    """`facts`: prompt_tokens, context_window (both in tokens)."""

    code = "context_window_exceeded"

    @classmethod
    def of(cls, *, prompt_tokens: int, context_window: int) -> ContextWindowExceeded:
        return cls(
            f"This prompt has {prompt_tokens:,} tokens, and the model's context window holds "
            f"{context_window:,}. Shorten it or start a new chat.",
            prompt_tokens=prompt_tokens,
            context_window=context_window,
        )


class ModelFileInvalid(InferenceError):
    code = "model_file_invalid"


class ModelLoadFailed(InferenceError):
    """`facts`: log_tail, the last lines the runner printed, for the administrator."""

    code = "model_load_failed"
    retryable = True


class ChatTemplateFailed(InferenceError):
    code = "chat_template_failed"


class RunnerCrashed(InferenceError):
    """`facts`: exit_code (negative: the signal), log_tail."""

    code = "runner_crashed"
    retryable = True


class RunnerStuck(InferenceError):
    code = "runner_stuck"
    retryable = True


class ModelUnloaded(InferenceError):
    code = "model_unloaded"
    retryable = True


class RemoteRefused(InferenceError):
    """`facts`: status (of HTTP, if it was one), retry_after in seconds (if it was told)."""

    code = "remote_refused"


class RemoteUnreachable(InferenceError):
    """`facts`: reason, in one word."""

    code = "remote_unreachable"
    retryable = True


class Overloaded(InferenceError):
    """`facts`: queue_length."""

    code = "overloaded"
    retryable = True


class GenerationNotFound(InferenceError):
    code = "generation_not_found"


class ServiceUnavailable(InferenceError):
    code = "service_unavailable"
    retryable = True


def error_from(info: ErrorInfo) -> InferenceError:
    """The exception that `info` was made from; an unknown code becomes a plain InferenceError."""
    return _CLASSES.get(info.code, InferenceError)(info.message, **info.facts)


def _tree(root: type[InferenceError]) -> list[type[InferenceError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


_CLASSES = {error.code: error for error in _tree(InferenceError)}
