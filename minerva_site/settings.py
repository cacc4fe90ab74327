"""Django's settings, derived from `minerva_site.configuration`. The same for tests and use."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from huey.serializer import SignedSerializer

from minerva_site.configuration import configuration
from minerva_site.data_folder import prepare_data_folder, secret_key
from minerva_site.hosts import allowed_names
from minerva_site.sharing import base_urls
from minerva_site.sqlite import use_sound_sqlite

use_sound_sqlite()

BASE_DIR = Path(__file__).resolve().parent.parent
CONFIGURATION = configuration()
DATA_DIR = CONFIGURATION.data_dir
prepare_data_folder(DATA_DIR)

SECRET_KEY = secret_key(DATA_DIR)
DEBUG = CONFIGURATION.debug
ALLOWED_HOSTS = allowed_names(CONFIGURATION)
# Under which other people reach it; none while only this machine does.
SHARED_URLS = base_urls(CONFIGURATION)
USE_X_FORWARDED_HOST = False
SECURE_PROXY_SSL_HEADER = None

# -- what belongs to us --------------------------------------------------------------------------

INFERENCE_SOCKET = CONFIGURATION.inference_socket
# The model that Minerva brings along; see models_app/guide.py.
GUIDE_FILE = BASE_DIR / "models_app" / "built_in" / "minerva-guide-q8_0.gguf"
MODELS_DIR = CONFIGURATION.models_dir
MODEL_DIRS = [MODELS_DIR, *CONFIGURATION.model_dirs]
DOWNLOADS_DIR = CONFIGURATION.downloads_dir
TRASH_DIR = CONFIGURATION.trash_dir
DOWNLOAD_BYTES_PER_SECOND = CONFIGURATION.download_mib_per_second * 1024 * 1024
HUB_ENDPOINT = CONFIGURATION.hub_endpoint
HUB_TOKEN = CONFIGURATION.hub_token
HUB_IS_OFFLINE = CONFIGURATION.offline
API_KEYLESS_USER = CONFIGURATION.api_keyless_user
API_ORIGINS = frozenset(CONFIGURATION.api_origins)
SETUP_TOKEN_FILE = DATA_DIR / "setup_token"

# -- applications --------------------------------------------------------------------------------

INSTALLED_APPS = [
    "minerva_site.admin_config.MinervaAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "servestatic",
    "django.contrib.staticfiles",
    "axes",
    "channels",
    "django_htmx",
    "heroicons",
    "template_partials",
    "accounts",
    "models_app",
    "chat",
    "api",
    "minerva_site",
]
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "minerva_site.urls"
ASGI_APPLICATION = "minerva_site.asgi.application"

MIDDLEWARE = [
    "minerva_site.headers.HeadersMiddleware",
    "api.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "minerva_site.static_files.StaticFiles",
    "minerva_site.local_time.LocalTimeMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.middleware.FirstRunMiddleware",
    "accounts.middleware.SessionLifetimeMiddleware",
    "accounts.middleware.SignInRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "minerva_site.theme.appearance",
                "chat.sidebar.sidebar",
                "models_app.downloads.tray.tray",
            ],
        },
    }
]

# -- data ----------------------------------------------------------------------------------------

# IMMEDIATE: a transaction takes the write lock when it begins, so it waits its turn in place of
# failing half-way with "database is locked". FULL: what was acknowledged survives a power cut.
PRAGMAS = [
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "journal_size_limit=67108864",
    "wal_autocheckpoint=1000",
    "mmap_size=0",
    "cache_size=-16000",
    "temp_store=MEMORY",
    "trusted_schema=OFF",
]
if sys.platform == "darwin":
    PRAGMAS += ["fullfsync=ON", "checkpoint_fullfsync=ON"]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": CONFIGURATION.database_path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            "init_command": "".join(f"PRAGMA {pragma};" for pragma in PRAGMAS),
        },
        # A database in memory belongs to one thread; async tests use it from several.
        "TEST": {"NAME": DATA_DIR / "test.sqlite3"},
    }
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# Huey is the doorbell of jobs, not their record: losing it in a power cut loses nothing.
HUEY: dict[str, Any] = {
    "name": "minerva",
    "huey_class": "huey.SqliteHuey",
    "filename": str(DATA_DIR / "huey.sqlite3"),
    "fsync": False,
    "immediate": False,
    "results": False,
    "store_none": False,
    "serializer": SignedSerializer(secret=SECRET_KEY, salt="minerva.huey"),
    "consumer": {
        # Three of them may download for hours.
        "workers": 4,
        "worker_type": "thread",
        "initial_delay": 0.1,
        "backoff": 1.3,
        "max_delay": 2.0,
        "scheduler_interval": 1,
        "flush_locks": True,
        "shutdown_timeout": 4,
    },
}

# -- people and sessions -------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "accounts.hashers.BoundedArgon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
PASSWORD_RESET_TIMEOUT = int(timedelta(days=1).total_seconds())
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "/"

# Cookies ignore ports, so the names carry ours: two Minervas on one machine stay signed in.
SESSION_ENGINE = "accounts.session_store"
SESSION_COOKIE_NAME = f"minerva_session_{CONFIGURATION.port}"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CONFIGURATION.serves_https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
SESSION_IDLE_SECONDS = int(timedelta(hours=24).total_seconds())
SESSION_SAVE_EVERY_REQUEST = False
DEVICE_COOKIE_NAME = f"minerva_device_{CONFIGURATION.port}"
CSRF_COOKIE_NAME = f"minerva_csrf_{CONFIGURATION.port}"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"

AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=5)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_WHITELIST_CALLABLE = "accounts.devices.is_exempt"
AXES_LOCKOUT_CALLABLE = "accounts.views.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# -- requests and answers ------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024**2
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 8
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024**2
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "minerva_site.static_files.HashedStaticFiles"},
}
SERVESTATIC_ALLOW_ALL_ORIGINS = False

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

# -- logging -------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "minerva_site.logs.LineFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "axes": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        "huey": {"level": "WARNING"},
        # It would write down addresses that are signed.
        "httpx2": {"level": "WARNING"},
    },
}
