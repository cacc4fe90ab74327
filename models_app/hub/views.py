"""The page *Discover*: what there is at the hub, and what to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from inference.hardware.mlx_install import is_apple_silicon, mlx_problem
from models_app.access import staff_only
from models_app.fit import Fit, Room, fit_of, most_parameters, room_here
from models_app.hub.client import Hub
from models_app.hub.errors import HubError
from models_app.hub.reference import Reference, is_repository, parse_reference
from models_app.hub.repository import Repository
from models_app.hub.repository_views import token_context
from models_app.hub.search import Format, Licence, Search, Size, Sort, Task
from models_app.hub.settings import hub
from models_app.hub.starters import STARTERS, Starter
from models_app.hub.token import forget_token, is_plausible, store_token
from models_app.templatetags.model_pages import repository_url

# With any of these in its address the page searches, without one it shows the starters.
ASKING = frozenset(("q", "format", "size", "task", "licence", "sort"))
CHOICES = {
    "format": ((Format.GGUF, "GGUF"), (Format.MLX, "MLX")),
    "size": (
        (Size.ANY, "Any size"),
        (Size.FITS, "Small enough for this machine"),
        (Size.SMALL, "Up to 4 billion parameters"),
        (Size.MEDIUM, "4 to 10 billion"),
        (Size.LARGE, "10 to 40 billion"),
        (Size.HUGE, "More than 40 billion"),
    ),
    "task": (
        (Task.ANY, "Whatever it can"),
        (Task.TOOLS, "Tools"),
        (Task.REASONING, "Reasoning"),
        (Task.VISION, "Sees images"),
        (Task.EMBEDDINGS, "Embeddings"),
    ),
    "licence": ((Licence.ANY, "Any licence"), (Licence.PERMISSIVE, "Apache, MIT and the like")),
    "sort": (
        (Sort.DOWNLOADS, "Most downloaded"),
        (Sort.TRENDING, "Trending"),
        (Sort.LIKES, "Most liked"),
        (Sort.NEWEST, "Newest"),
    ),
}


class HtmxHttpRequest(HttpRequest):
    htmx: HtmxDetails


@dataclass(frozen=True)
class StarterRow:
    starter: Starter
    fit: Fit


@dataclass(frozen=True)
class Found:
    """What a search found. `problem` "": it went well."""

    search: Search
    rows: list[Repository]
    problem: str = ""

    @property
    def more(self) -> Search | None:
        """Most likely there are more, as so many came as were asked for."""
        return self.search.with_more if len(self.rows) >= self.search.num_asked else None


@staff_only
@require_GET
def discover(request: HtmxHttpRequest) -> HttpResponse:
    """Starters, or what a search finds; a name that is whole leads to its page at once. Every filter is
    in the address."""
    words, source = request.GET.get("q", "").strip(), hub()
    reference = parse_reference(words, hub_host=source.host)
    if reference.repository:
        return _led_to(request, reference)
    room = room_here()
    search = Search.of(request.GET, words=reference.words, most_parameters=most_parameters(room))
    found = _found(source, search) if set(request.GET) & ASKING else None
    context = {
        "words": words,
        "search": search,
        "choices": CHOICES,
        "found": found,
        "mlx_problem": mlx_problem(settings.CONFIGURATION.mlx_python),
        "starters": []
        if words or (found and not found.problem)
        else _starters(room, search, found),
        "is_offline": source.is_offline,
        **token_context(),
    }
    template = "models_app/_found.html" if request.htmx else "models_app/discover.html"
    return render(request, template, context)


@staff_only
@require_POST
def save_token(request: HttpRequest) -> HttpResponse:
    """Empty: the stored one is forgotten. Back to the repository that it was given for."""
    token = request.POST.get("token", "").strip()
    if not token:
        forget_token()
        messages.success(request, "The hub's token is forgotten.")
    elif is_plausible(token):
        store_token(token)
        messages.success(request, "The hub's token is stored.")
    else:
        messages.error(request, "That is no token: it is one word of 8 to 200 characters.")
    back_to = request.POST.get("repository", "")
    return redirect(repository_url(back_to) if is_repository(back_to) else "models:discover")


def _led_to(request: HtmxHttpRequest, reference: Reference) -> HttpResponse:
    wanted = urlencode({"variant": reference.quant, "file": reference.file})
    address = f"{repository_url(reference.repository)}?{wanted}"
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _found(source: Hub, search: Search) -> Found:
    try:
        return Found(search, source.search(search))
    except HubError as error:
        return Found(search, [], str(error))


def _starters(room: Room, search: Search, found: Found | None) -> list[StarterRow]:
    """Those that pass the filters, for when the hub can't be asked. Where nothing was asked for, also those that
    the machine is made for."""
    formats = {search.format} | ({Format.MLX} if found is None and is_apple_silicon() else set())
    passing = (one for one in STARTERS if one.format in formats and one.passes(search))
    rows = (StarterRow(one, _fit_of_starter(one, room)) for one in passing)
    return sorted(rows, key=lambda row: not row.fit.runs)


def _fit_of_starter(starter: Starter, room: Room) -> Fit:
    return fit_of(starter.size, num_parameters=starter.num_parameters, room=room)
