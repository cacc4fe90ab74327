"""Which server it was: sentences are written of “the server”, and get its name where it is known."""

from __future__ import annotations

from inference.errors import InferenceError
from inference.types import RemoteEndpoint


def named(error: InferenceError, endpoint: RemoteEndpoint) -> InferenceError:
    message = str(error)
    if endpoint.server_name:
        message = message.replace("The server", f"The server “{endpoint.server_name}”", 1)
    return type(error)(message, **error.facts)
