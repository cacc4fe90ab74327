"""Asks a server which models it has, and says in words why it does not tell."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from inference.errors import InferenceError, RemoteRefused, RemoteUnreachable
from inference.remote.listing import RemoteModel, list_models
from inference.types import RemoteEndpoint
from models_app.servers.offer import Offered
from models_app.servers.problem import ServerProblem

MOST_OFFERED = 1_000
# Of those that say nothing else of what they can.
EMBEDS = "embed"
NOT_THERE = (404, 405)

UNTRUSTED = (
    "Its certificate is not trusted here. Give it one of an authority that this machine knows, or "
    "use http:// within a network of your own."
)
NO_TLS = "It does not speak HTTPS there. Try http://, or the port of its HTTPS."
REFUSED = (
    "The machine is there, and nothing answers at this port. Start the server, or correct the port."
)
NOT_OPENAI = (
    "Something answers there, but not as OpenAI's API does: it has no list of models. Check port and "
    "path; most servers have it at /v1."
)
NO_KEY = "It wants a key. Give the one that it was set up with."
WRONG_KEY = "It did not take the key. Copy it again, or make a new one there."


def ask(addresses: list[str], key: str) -> tuple[str, list[Offered]]:
    """The first of the addresses that is one of such an API, and what is offered there. Raises
    ServerProblem."""
    refusals: list[RemoteRefused] = []
    for address in addresses:
        try:
            models = list_models(RemoteEndpoint(base_url=address, model="", key=key))
        except RemoteRefused as error:
            refusals.append(error)
            if not _may_be_elsewhere(error):
                break
        except RemoteUnreachable as error:
            raise ServerProblem(_why_unreachable(error)) from error
        except InferenceError as error:
            raise ServerProblem(str(error)) from error
        else:
            return address, [_offered(one) for one in models[:MOST_OFFERED]]
    telling = [one for one in refusals if one.facts.get("status") not in NOT_THERE]
    raise ServerProblem(_why_refused(telling[-1], key) if telling else NOT_OPENAI)


def _offered(model: RemoteModel) -> Offered:
    return Offered(
        name=model.name,
        context_length=model.context_window,
        can_chat=EMBEDS not in model.name.lower(),
    )


def _may_be_elsewhere(error: RemoteRefused) -> bool:
    """It has no status if there was an answer, and it made no sense."""
    return error.facts.get("status") in (None, *NOT_THERE)


def _why_refused(error: RemoteRefused, key: str) -> str:
    if error.facts.get("status") in (401, 403):
        return WRONG_KEY if key else NO_KEY
    return str(error)


def _why_unreachable(error: RemoteUnreachable) -> str:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return UNTRUSTED
        if isinstance(cause, ssl.SSLError):
            return NO_TLS
        if isinstance(cause, ConnectionRefusedError):
            return REFUSED
    return str(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
