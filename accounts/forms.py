"""What people type: to be somebody here, to sign in, to invite others, to manage them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import (
    validate_password,
)

from accounts.invitations import EXPIRIES
from accounts.models import Role, User

if TYPE_CHECKING:
    UserForm = forms.ModelForm[User]
else:
    UserForm = forms.ModelForm  # generic for the type checker only


def new_password_field(label: str = "Password") -> forms.CharField:
    return forms.CharField(
        label=label,
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. A few words in a row are good.",
    )


class NameForm(UserForm):
    class Meta:
        model = User
        fields = ("username",)
        field_classes: ClassVar[Any] = {"username": UsernameField}  # as it is read at sign-in
        error_messages: ClassVar[Any] = {
            "username": {"unique": "Somebody here has this name. Choose another one."}
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        username = self.fields["username"]
        username.label = "Name"
        username.help_text = "Letters, digits and @ . + - _"
        username.widget.attrs |= {"autocomplete": "username", "autocapitalize": "none"}


class NewPersonForm(NameForm):
    """The first administrator, and whoever comes by an invitation."""

    password = new_password_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs["autofocus"] = True

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "password" in cleaned:
            person = User(username=cleaned.get("username", ""))
            check_password(self, "password", person)
        return cleaned


def check_password(form: forms.BaseForm, name: str, person: User) -> None:
    """Put what is wrong with the new password of `person` at its field."""
    try:
        validate_password(form.cleaned_data[name], person)
    except forms.ValidationError as error:
        form.add_error(name, error)


class SignInForm(AuthenticationForm):
    error_messages = {  # noqa: RUF012 -- as Django declares it
        "invalid_login": "The name or the password is not right. Check both and try again.",
        "inactive": "This account is switched off. Ask an administrator.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Name"


class ResetForm(forms.Form):
    password = new_password_field("New password")

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._person = person

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "password" in cleaned:
            check_password(self, "password", self._person)
        return cleaned


class PasswordForm(ResetForm):
    """One's own: whoever finds a browser open must not be able to lock its owner out."""

    current = forms.CharField(
        label="Current password",
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("current", "password")

    def clean_current(self) -> str:
        current: str = self.cleaned_data["current"]
        if not self._person.check_password(current):
            raise forms.ValidationError("This is not your current password.")
        return current


class InvitationForm(forms.Form):
    note = forms.CharField(
        label="For whom", required=False, max_length=100, help_text="Only administrators see it."
    )
    role = forms.TypedChoiceField(choices=Role.choices, coerce=Role, initial=Role.MEMBER)
    group = forms.ModelChoiceField(Group.objects.order_by("name"), required=False)
    hours = forms.TypedChoiceField(
        label="Works for", choices=list(EXPIRIES.items()), coerce=int, initial=24 * 7
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        group = self.fields["group"]
        assert isinstance(group, forms.ModelChoiceField)
        group.empty_label = "No group"


class GroupsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Any groups, or none."""

    def __init__(self) -> None:
        super().__init__(
            Group.objects.order_by("name"), required=False, widget=forms.CheckboxSelectMultiple
        )

    def clean(self, value: Any) -> Any:
        try:
            return super().clean(value)
        except OverflowError:  # of the database, for an id that it has no room for
            raise forms.ValidationError("There is no such group.") from None


class PersonForm(forms.Form):
    role = forms.TypedChoiceField(choices=Role.choices, coerce=Role)
    groups = GroupsField()


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Group
        fields = ("name",)
        error_messages: ClassVar[Any] = {"name": {"unique": "There is a group of this name."}}
