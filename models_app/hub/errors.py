"""What can go wrong with the hub. `str(error)` is the sentence a person reads, with the next step."""

from __future__ import annotations


class HubError(Exception):
    """Base. `is_transient`: the same request may well succeed in a moment."""

    is_transient = False


class HubUnreachable(HubError):
    """No connection, no answer in time, or an answer that says to come again."""

    is_transient = True


class HubOffline(HubError):
    """The settings say not to ask."""


class NotFound(HubError):
    """No such repository, revision or file; or one that is hidden from this token."""


class Gated(HubError):
    """Its licence has to be accepted there, and a token given here."""


class HubNonsense(HubError):
    """An answer that no honest hub gives."""


class Refused(HubError):
    """It is there, and is not taken: it wants to run a program, say."""
