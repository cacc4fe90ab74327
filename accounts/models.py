"""The person behind a session."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """Signs in with `username`, which is also the name shown. `is_staff`: may manage models."""


# Models of other modules of this app, which Django looks for here.
from accounts.key_models import ApiKey as ApiKey  # noqa: E402
