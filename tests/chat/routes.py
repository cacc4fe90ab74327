"""Who may do what, by route. A route without a row here fails the tests (see `test_authorisation`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from django.urls import URLPattern, URLResolver, get_resolver

# ANYBODY: without sign-in. PEOPLE: everybody with an account. WRITERS: all of them but viewers.
# STAFF: administrators. OWNER: whose chat it is, and nobody else. READERS: whom it is shared with.
Audience = Literal["anybody", "people", "writers", "staff", "owner", "readers"]


@dataclass(frozen=True)
class Row:
    """`missing`: those who may get 404 here, because there is nothing of the kind in the test."""

    audience: Audience
    methods: str = "GET"
    missing: bool = False


ROWS: dict[str, Row] = {
    "healthz": Row("anybody"),
    "readyz": Row("anybody"),
    "csp-report": Row("anybody", "POST"),
    "setup/": Row("anybody", "GET POST"),
    "sign-in/": Row("anybody", "GET POST"),
    "join/<str:token>/": Row("anybody", "GET POST", missing=True),
    "reset/<str:name>/<str:token>/": Row("anybody", "GET POST", missing=True),
    "sign-out/": Row("people", "POST"),
    "profile/": Row("people"),
    "profile/name": Row("people", "POST"),
    "profile/password": Row("people", "POST"),
    "profile/sessions/<str:public_id>/end": Row("people", "POST", missing=True),
    "profile/sign-out": Row("people", "POST"),
    "usage/": Row("people"),
    "account/keys/": Row("people", "GET POST"),
    "account/keys/<uuid:key_id>/revoke/": Row("people", "POST", missing=True),
    "account/api/": Row("people"),
    "": Row("people"),
    "chats/": Row("people"),
    "chats/waiting/": Row("people"),
    "chats/model/": Row("people"),
    "model-state/": Row("people"),
    "shared/": Row("people"),
    "shared/<uuid:share_id>/": Row("readers"),
    "c/new/": Row("writers", "POST"),
    "c/<uuid:conversation_id>/": Row("owner"),
    "c/<uuid:conversation_id>/send/": Row("owner", "POST"),
    "c/<uuid:conversation_id>/stop/": Row("owner", "POST", missing=True),
    "c/<uuid:conversation_id>/draft/": Row("owner"),
    "c/<uuid:conversation_id>/shorten/": Row("owner", "POST"),
    "c/<uuid:conversation_id>/model/": Row("owner", "POST"),
    "c/<uuid:conversation_id>/rename/": Row("owner", "GET POST"),
    "c/<uuid:conversation_id>/share/": Row("owner", "GET POST"),
    "c/<uuid:conversation_id>/unshare/": Row("owner", "POST"),
    "c/<uuid:conversation_id>/delete/": Row("owner", "POST"),
    "c/<uuid:conversation_id>/undelete/": Row("owner", "POST", missing=True),
    "c/<uuid:conversation_id>/m/<uuid:message_id>/retry/": Row("owner", "POST"),
    "c/<uuid:conversation_id>/m/<uuid:message_id>/source/": Row("owner"),
    "styleguide/": Row("staff", "GET POST DELETE"),
    "sharing/": Row("staff", "GET POST"),
    "usage/all/": Row("staff"),
    "usage/quotas": Row("staff", "POST"),
    "usage/quotas/<int:quota_id>/delete": Row("staff", "POST", missing=True),
    "people/": Row("staff"),
    "people/invite": Row("staff", "POST"),
    "people/invitations/<uuid:invitation_id>/withdraw": Row("staff", "POST", missing=True),
    "people/groups": Row("staff", "POST"),
    "people/groups/<int:group_id>/delete": Row("staff", "POST", missing=True),
    "people/<int:user_id>/": Row("staff", "GET POST"),
    "people/<int:user_id>/deactivate": Row("staff", "POST"),
    "people/<int:user_id>/reactivate": Row("staff", "POST"),
    "people/<int:user_id>/sign-out": Row("staff", "POST"),
    "people/<int:user_id>/reset-link": Row("staff", "POST"),
    "c/<uuid:conversation_id>/settings/": Row("owner", "GET POST"),
    "c/new/settings/": Row("writers", "GET POST"),
    "chats/settings/": Row("people", "GET POST"),
    "models/": Row("staff"),
    "models/now": Row("staff"),
    "models/uploads/": Row("staff", "POST"),
    "models/uploads/<uuid:download_id>": Row("staff", "POST", missing=True),
    "models/downloads/tray": Row("staff"),
    "models/discover/<str:owner>/<str:name>/variants": Row("staff", missing=True),
    "models/discover/<str:owner>/<str:name>/card": Row("staff", missing=True),
    "models/<uuid:entry_id>/status/": Row("staff", missing=True),
    "models/<uuid:entry_id>/benchmark/": Row("staff", missing=True),
    "models/<uuid:entry_id>/benchmark/start": Row("staff", "POST", missing=True),
    "models/benchmark/<uuid:benchmark_id>/cancel": Row("staff", "POST", missing=True),
    "models/discover/": Row("staff"),
    "models/discover/token": Row("staff", "POST"),
    "models/discover/<str:owner>/<str:name>/": Row("staff", missing=True),
    "models/downloads/": Row("staff"),
    "models/downloads/start": Row("staff", "POST", missing=True),
    "models/downloads/address": Row("staff", "POST"),
    "models/downloads/<uuid:download_id>/pause": Row("staff", "POST", missing=True),
    "models/downloads/<uuid:download_id>/go-on": Row("staff", "POST", missing=True),
    "models/downloads/<uuid:download_id>/cancel": Row("staff", "POST", missing=True),
    "models/downloads/<uuid:download_id>/clear": Row("staff", "POST", missing=True),
    "models/servers/": Row("staff", "GET POST"),
    "models/servers/<uuid:server_id>/": Row("staff", missing=True),
    "models/servers/<uuid:server_id>/models": Row("staff", "POST", missing=True),
    "models/servers/<uuid:server_id>/change": Row("staff", "POST", missing=True),
    "models/servers/<uuid:server_id>/remove": Row("staff", "POST", missing=True),
    "models/folders/": Row("staff", "POST"),
    "models/folders/<int:folder_id>/forget": Row("staff", "POST", missing=True),
    "models/engines/": Row("staff"),
    "models/rescan": Row("staff", "POST"),
    "models/<uuid:entry_id>/": Row("staff", missing=True),
    "models/<uuid:entry_id>/load": Row("staff", "POST", missing=True),
    "models/<uuid:entry_id>/unload": Row("staff", "POST", missing=True),
    "models/<uuid:entry_id>/settings/": Row("staff", "GET POST", missing=True),
    "models/<uuid:entry_id>/settings/estimate": Row("staff", missing=True),
    "models/<uuid:entry_id>/settings/reset": Row("staff", "POST", missing=True),
    "models/<uuid:entry_id>/groups": Row("staff", "POST", missing=True),
    "models/<uuid:entry_id>/default": Row("staff", "POST", missing=True),
    "models/<uuid:entry_id>/delete": Row("staff", "POST", missing=True),
    "models/<uuid:entry_id>/undelete": Row("staff", "POST", missing=True),
    "models/<uuid:entry_id>/forget": Row("staff", "POST", missing=True),
}

# By route and field of the message: who is heard. The others' sockets are closed.
SOCKET_ROWS: dict[str, dict[str, Audience]] = {
    "ws/c/<uuid:conversation_id>/": {"version": "owner", "taken": "owner"},
}

# Routes of a key, not of a session: their matrix is the API's own.
API_PREFIXES = ("v1/", "tokenize", "detokenize", "metrics", "openapi.json")
# Django's admin has tests of its own, over all its pages.
ELSEWHERE = (*API_PREFIXES, "admin/")


def all_routes(resolver: Any = None, prefix: str = "") -> Iterator[str]:
    for pattern in (resolver or get_resolver()).url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from all_routes(pattern, route)
        elif isinstance(pattern, URLPattern) and not route.startswith(ELSEWHERE):
            yield route
