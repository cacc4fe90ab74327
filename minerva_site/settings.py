"""Django's settings, derived from `minerva_site.configuration`."""

from __future__ import annotations

from pathlib import Path

from minerva_site.configuration import configuration

BASE_DIR = Path(__file__).resolve().parent.parent
CONFIGURATION = configuration()

SECRET_KEY = "replaced-by-the-site-work"  # noqa: S105
DEBUG = CONFIGURATION.debug
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "heroicons",
    "template_partials",
    "accounts",
    "models_app",
    "chat",
    "minerva_site",
]
AUTH_USER_MODEL = "accounts.User"
ROOT_URLCONF = "minerva_site.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": CONFIGURATION.database_path}
}
USE_TZ = True
