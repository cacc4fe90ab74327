"""The API's reference for people, with everything that it needs from here."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    return render(request, "api/reference.html")
