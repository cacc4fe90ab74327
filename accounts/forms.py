"""What people type to become administrator and to sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.password_validation import (
    validate_password,
)

from accounts.models import User

if TYPE_CHECKING:
    UserForm = forms.ModelForm[User]
else:
    UserForm = forms.ModelForm  # generic for the type checker only


class AdministratorForm(UserForm):
    password = forms.CharField(
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. A few words in a row are good.",
    )

    class Meta:
        model = User
        fields = ("username",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        username = self.fields["username"]
        username.label = "Name"
        username.help_text = "Letters, digits and @ . + - _"
        username.widget.attrs |= {
            "autocomplete": "username",
            "autocapitalize": "none",
            "autofocus": True,
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "password" in cleaned:
            self._check_password(cleaned["password"], cleaned.get("username", ""))
        return cleaned

    def _check_password(self, password: str, username: str) -> None:
        try:
            validate_password(password, User(username=username))
        except forms.ValidationError as error:
            self.add_error("password", error)


class SignInForm(AuthenticationForm):
    error_messages = {  # noqa: RUF012 -- as Django declares it
        "invalid_login": "The name or the password is not right. Check both and try again.",
        "inactive": "This account is switched off. Ask an administrator.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Name"
