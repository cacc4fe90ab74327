"""The administrators' page of the switch that opens this server to the local network."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.access import staff_only
from accounts.qr import qr_code
from minerva_site import sharing


@staff_only
@require_http_methods(["GET", "POST"])
def sharing_page(request: HttpRequest) -> HttpResponse:
    configuration = settings.CONFIGURATION
    if request.method == "POST" and not sharing.is_settled_at_start(configuration):
        return _switched(request, is_on=request.POST.get("shared") == "on")
    urls = settings.SHARED_URLS
    context = {
        "is_on": sharing.is_shared(configuration),
        "is_settled": sharing.is_settled_at_start(configuration),
        "serves_https": configuration.serves_https,
        "urls": [(url, qr_code(url)) for url in urls[:1]] + [(url, None) for url in urls[1:]],
    }
    return render(request, "sharing.html", context, status=409 if request.method == "POST" else 200)


def _switched(request: HttpRequest, *, is_on: bool) -> HttpResponse:
    """The web server is started anew right after this answer."""
    sharing.set_switch(settings.DATA_DIR, is_on=is_on)
    done = "shared on your network" if is_on else "for this machine only"
    messages.success(request, f"Minerva is {done} now. Its web server starts anew: one moment.")
    return redirect("sharing")
