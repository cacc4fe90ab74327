"""The application as the web server runs it."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "minerva_site.settings")
django_application = get_asgi_application()

# Only now: these import models, which need Django to be set up.
import django.db  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.signals import request_started  # noqa: E402
from django.urls import re_path  # noqa: E402

from chat.routing import websocket_urlpatterns  # noqa: E402
from minerva_site.configuration import configuration  # noqa: E402
from minerva_site.gate import Gate, Receive, Scope, Send  # noqa: E402
from minerva_site.hosts import allowed_authorities  # noqa: E402

# Each request has a thread of its own here, in which there is no connection yet that could be old; but to be
# asked about it, the thread would be made before the request is looked at, and a program's needs none.
request_started.disconnect(django.db.close_old_connections)
request_started.disconnect(django.db.reset_queries)


async def no_such_socket(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": 4004})


no_other = re_path(r"", no_such_socket)  # type: ignore[arg-type]

application = Gate(
    ProtocolTypeRouter(
        {
            "http": django_application,
            "websocket": AuthMiddlewareStack(URLRouter([*websocket_urlpatterns, no_other])),
        }
    ),
    authorities=allowed_authorities(configuration()),
    serves_https=configuration().serves_https,
    trusted_proxies=configuration().trusted_proxies,
)
