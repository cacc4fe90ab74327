"""What was used: one's own, and for administrators that of everybody, with the quotas. Counts only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts import usage
from accounts.access import staff_only
from accounts.models import Quota, UsageRecord, User
from accounts.usage_chart import chart_of

MOST_TOKENS = 10**15


class PersonRequest(HttpRequest):
    user: User


class QuotaForm(forms.Form):
    user = forms.ModelChoiceField(
        User.objects.order_by("username"), required=False, label="Person", empty_label="—"
    )
    group = forms.ModelChoiceField(
        Group.objects.order_by("name"),
        required=False,
        label="Or each person of the group",
        empty_label="—",
    )
    hours = forms.TypedChoiceField(label="Within one", choices=usage.WINDOWS.items(), coerce=int)
    max_tokens = forms.IntegerField(
        label="Tokens", required=False, min_value=0, max_value=MOST_TOKENS
    )
    max_requests = forms.IntegerField(
        label="Requests", required=False, min_value=0, max_value=10**9
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("user") and cleaned.get("group"):
            self.add_error("group", "Choose a person or a group, not both. Neither: everybody.")
        if cleaned.get("max_tokens") is None and cleaned.get("max_requests") is None:
            self.add_error("max_tokens", "Say how many tokens, or how many requests, or both.")
        return cleaned


@require_GET
def own_usage(request: PersonRequest) -> HttpResponse:
    records = UsageRecord.objects.filter(user=request.user)
    context = {
        "chart": chart_of(usage.by_day(records)),
        "models": usage.by(records, "model_name", "key"),
        "standings": usage.standings(request.user),
    }
    return render(request, "accounts/usage.html", context)


@staff_only
@require_GET
def usage_of_all(request: PersonRequest) -> HttpResponse:
    return _all(request, QuotaForm())


def _all(request: PersonRequest, form: QuotaForm, *, status: int = 200) -> HttpResponse:
    records = UsageRecord.objects.all()
    context = {
        "chart": chart_of(usage.by_day(records)),
        "people": usage.by(records, "user__username"),
        "models": usage.by(records, "model_name", "key"),
        "quotas": Quota.objects.select_related("user", "group"),
        "windows": usage.WINDOWS,
        "form": form,
    }
    return render(request, "accounts/usage_of_all.html", context, status=status)


@staff_only
@require_POST
def make_quota(request: PersonRequest) -> HttpResponse:
    form = QuotaForm(request.POST)
    if not form.is_valid():
        return _all(request, form, status=422)
    Quota.objects.create(**form.cleaned_data)
    messages.success(request, "The quota holds from now on.")
    return redirect("accounts:usage_of_all")


@staff_only
@require_POST
def delete_quota(request: PersonRequest, quota_id: int) -> HttpResponse:
    get_object_or_404(Quota, pk=quota_id).delete()
    messages.success(request, "The quota was deleted.")
    return redirect("accounts:usage_of_all")
