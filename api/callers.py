"""Who calls: the key of a request, and through it a person. Cookies say nothing here.

Without a key, calls from this machine itself may be let in by a setting; not those that a page of
another site or a proxy sends.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from accounts import keys
from accounts.database import in_database
from accounts.key_models import ApiKey, Scope
from accounts.models import User
from api.errors import ApiError
from models_app.models import CatalogEntry

BEARER = "bearer "
KEY_PARAMETERS = ("key", "api_key", "api-key", "access_token", "token")
# A request that has one of these was not made by a program of this machine for itself.
FOREIGN_HEADERS = ("Origin", "Referer", "Forwarded", "X-Forwarded-For", "Sec-Fetch-Site")


@dataclass(frozen=True)
class Caller:
    """`key` None: this machine itself, which may do what its user may."""

    user: User
    key: ApiKey | None

    def require(self, scope: Scope) -> None:
        """Raises 403."""
        if self.key is not None and not self.key.allows(scope):
            raise ApiError(
                403, f"This key may not do this: it lacks “{scope.label}”.", code="missing_scope"
            )
        if scope is Scope.MANAGE and not self.user.is_staff:
            raise ApiError(403, "Only administrators may do this.", code="not_allowed")

    def may_use(self, entry: CatalogEntry) -> bool:
        return self.key is None or self.key.allows_model(entry.pk)


async def caller_of(request: HttpRequest) -> Caller:
    """Raises 401, and 400 for a key in the address, where logs would keep it."""
    if any(name in request.GET for name in KEY_PARAMETERS):
        raise ApiError(
            400,
            "Send the key in a header, “Authorization: Bearer …” or “x-api-key”, not in the address. "
            "This one may be in logs now: revoke it.",
            code="key_in_address",
        )
    given = _given(request)
    if given.startswith(keys.PREFIX) or (given and not _needs_none(request)):
        return await in_database(_keyed)(given)
    return await _keyless(request)


def _given(request: HttpRequest) -> str:
    authorization = request.headers.get("Authorization", "")
    is_bearer = authorization[: len(BEARER)].lower() == BEARER
    bearer = authorization[len(BEARER) :].strip() if is_bearer else ""
    header = request.headers.get("X-Api-Key", "").strip()
    if bearer and header and bearer != header:
        raise _refused("Two different keys came. Send one.")
    return bearer or header


def _keyed(secret: str) -> Caller:
    key = keys.find(secret)
    if key is None or key.revoked_at is not None:
        raise _refused("This API key is not known here. Make one under “API keys”.")
    if key.is_expired:
        raise _refused("This API key has expired. Make a new one under “API keys”.")
    if not key.owner.is_active:
        raise _refused("The account of this API key is switched off.")
    keys.note_use(key)
    return Caller(key.owner, key)


def _needs_none(request: HttpRequest) -> bool:
    """Clients that insist on a key send any text then."""
    return bool(settings.API_KEYLESS_USER) and _is_from_here(request)


async def _keyless(request: HttpRequest) -> Caller:
    if _needs_none(request):
        name = settings.API_KEYLESS_USER
        user = await User.objects.filter(username=name, is_active=True).afirst()
        if user is not None:
            return Caller(user, None)
    raise _refused("An API key is needed: send “Authorization: Bearer …” or “x-api-key”.")


def _is_from_here(request: HttpRequest) -> bool:
    if any(name in request.headers for name in FOREIGN_HEADERS):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _refused(message: str) -> ApiError:
    return ApiError(
        401, message, code="invalid_api_key", headers={"WWW-Authenticate": 'Bearer realm="Minerva"'}
    )
