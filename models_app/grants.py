"""Which groups may use a model. None named: everybody who may generate."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.forms import GroupsField
from models_app.access import get_entry, staff_only
from models_app.models import CatalogEntry


class GrantForm(forms.Form):
    groups = GroupsField()

    def __init__(self, entry: CatalogEntry, data: Any = None) -> None:
        super().__init__(data, initial={"groups": entry.groups.all()})


@staff_only
@require_POST
def set_groups(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    entry = get_entry(entry_id)
    form = GrantForm(entry, request.POST)
    if entry.is_guide or not form.is_valid():
        messages.error(request, "Nothing was saved: a group is not there any more. Look again.")
        return redirect("models:settings", entry_id)
    entry.groups.set(form.cleaned_data["groups"])
    messages.success(request, f"{entry.name}: {_who(form)} may use it.")
    return redirect("models:settings", entry_id)


def _who(form: GrantForm) -> str:
    names = [group.name for group in form.cleaned_data["groups"]]
    return f"only {', '.join(names)} and administrators" if names else "everybody"
