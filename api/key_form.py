"""The form of a new API key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms

from accounts import keys
from accounts.key_models import Scope
from accounts.keys import NewKey
from accounts.models import User
from models_app.access import models_for

LIFETIMES = {"30": "30 days", "90": "90 days", "365": "a year", "": "never"}
MAX_RATE = 100_000
DEFAULT_RATE = 60


class KeyForm(forms.Form):
    """`owner`: whose key it will be; others may not give what they cannot use."""

    name = forms.CharField(
        max_length=80,
        help_text="What it is for, such as “my editor”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=Scope.choices,
        initial=[Scope.GENERATE, Scope.EMBED],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose what the key may do."},
    )
    lifetime = forms.ChoiceField(
        label="Expires after", choices=list(LIFETIMES.items()), initial="90", required=False
    )
    requests_per_minute = forms.IntegerField(
        min_value=1,
        max_value=MAX_RATE,
        required=False,
        initial=DEFAULT_RATE,
        help_text="Empty: as many as the server takes.",
    )
    model_ids = forms.TypedMultipleChoiceField(
        label="Only these models",
        coerce=UUID,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: every model that you may use.",
    )

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owner = owner
        entries = models_for(owner)
        self.fields["model_ids"].choices = [(str(one.pk), one.name) for one in entries]  # type: ignore[attr-defined]
        if not owner.is_staff:
            self.fields["scopes"].choices = [  # type: ignore[attr-defined]
                choice for choice in Scope.choices if choice[0] != Scope.MANAGE
            ]

    def create(self) -> NewKey:
        """Of a valid form. Raises TooManyKeys."""
        days = self.cleaned_data["lifetime"]
        return keys.create(
            owner=self._owner,
            name=self.cleaned_data["name"],
            scopes=self.cleaned_data["scopes"],
            model_ids=self.cleaned_data["model_ids"],
            lifetime=timedelta(days=int(days)) if days else None,
            requests_per_minute=self.cleaned_data["requests_per_minute"],
        )
