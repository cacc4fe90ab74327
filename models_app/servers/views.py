"""The page *Servers*: other machines whose models are used from here. Each card asks its server as the page
is opened, so that no server keeps the page waiting."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from inference.errors import InferenceError
from models_app.access import staff_only
from models_app.htmx import HtmxHttpRequest
from models_app.servers import joining
from models_app.servers.card import card_of, cards
from models_app.servers.problem import ServerProblem
from models_app.servers.record import RemoteServer


@dataclass(frozen=True)
class Refused:
    """What was `given` for a server, shown again but for its key, and why it was not taken. `server_id`
    None: it was to be added."""

    problem: str
    given: dict[str, str]
    server_id: UUID | None = None


@staff_only
@require_http_methods(["GET", "POST"])
def servers(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    given = _given(request)
    try:
        server = joining.join(**given)
    except (ServerProblem, InferenceError) as problem:
        return _page(request, refused=Refused(str(problem), given))
    messages.success(request, f"{server.name} answers. Choose which of its models to use.")
    return _back_to(server)


@staff_only
@require_GET
def server(request: HtmxHttpRequest, server_id: UUID) -> HttpResponse:
    """What the server says now; with its models where they are others than before, as what was ticked
    since the page came would be lost."""
    found = _server(server_id)
    before = found.offered
    joining.look_again(found)
    if not request.htmx:
        return _back_to(found)
    context = {"card": card_of(found), "is_changed": found.offered != before}
    return render(request, "models_app/servers/_looked.html", context)


@staff_only
@require_POST
def choose(request: HttpRequest, server_id: UUID) -> HttpResponse:
    found = _server(server_id)
    try:
        joining.choose(found, request.POST.getlist("models"))
    except (ServerProblem, InferenceError) as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, _used(found))
    return _back_to(found)


@staff_only
@require_POST
def change(request: HttpRequest, server_id: UUID) -> HttpResponse:
    found, given = _server(server_id), _given(request)
    try:
        joining.change(found, **given)
    except (ServerProblem, InferenceError) as problem:
        return _page(request, refused=Refused(str(problem), given, found.pk))
    messages.success(request, f"{found.name} answers so.")
    return _back_to(found)


@staff_only
@require_POST
def remove(request: HtmxHttpRequest, server_id: UUID) -> HttpResponse:
    found = _server(server_id)
    try:
        joining.remove(found)
    except (ServerProblem, InferenceError) as problem:
        messages.error(request, str(problem))
        return _led_to(request, reverse("models:servers"))
    messages.success(request, f"{found.name} and its models are gone from here.")
    return _led_to(request, reverse("models:servers"))


def _server(server_id: UUID) -> RemoteServer:
    """Raises 404."""
    return get_object_or_404(RemoteServer, pk=server_id)


def _place_of(server: RemoteServer) -> str:
    return f"{reverse('models:servers')}#server-{server.pk}"


def _back_to(server: RemoteServer) -> HttpResponse:
    return redirect(_place_of(server))


def _led_to(request: HtmxHttpRequest, address: str) -> HttpResponse:
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _given(request: HttpRequest) -> dict[str, str]:
    return {name: request.POST.get(name, "").strip() for name in ("name", "address", "key")}


def _page(request: HttpRequest, *, refused: Refused | None = None) -> HttpResponse:
    context = {"cards": cards(), "refused": refused}
    status = 422 if refused else 200
    return render(request, "models_app/servers/page.html", context, status=status)


def _used(server: RemoteServer) -> str:
    names = [entry.name for entry in server.entries.all()]
    if not names:
        return f"No model of {server.name} is used here."
    return f"Used from {server.name}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}."
