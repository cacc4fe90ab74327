"""Every MINERVA_* setting: its type, default and meaning, in one place.

`docs/settings.md` is made from this class (`manage.py settings_table`); a test compares the two.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from platformdirs import user_data_path
from pydantic import (
    AliasChoices,
    Field,
    IPvAnyNetwork,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from inference.hardware.mlx_install import DEFAULT_PYTHON
from inference.types import KVCacheType

SMALLEST_WINDOW = 256


class Configuration(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="MINERVA_", frozen=True, extra="ignore")

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("minerva", appauthor=False),
        description="Where everything is kept: database, models, logs, secret key. Mode 0700.",
    )
    host: str = Field("127.0.0.1", description="Address the web server listens on.")
    port: int = Field(
        8463, ge=0, le=65535, description="Port of the web server; 0 takes a free one."
    )
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description=(
            "Further names this server may be addressed by, besides its own: a JSON list of names, "
            'each with its port if that differs from ours: ["minerva.lan", "minerva.lan:80"].'
        ),
    )
    lan: bool | None = Field(
        None,
        description=(
            "Whether other machines of the local network reach it, on every address of this machine and as "
            "`minerva.local`. Unset: as the switch on the page Sharing says."
        ),
    )
    https: bool = Field(
        False,
        description=(
            "Speak HTTPS, with a certificate that is made on the spot unless one is given. Browsers warn of "
            "such a one."
        ),
    )
    tls_certificate: Path | None = Field(
        None, description="A certificate with its chain, as a PEM file. With it, HTTPS is on."
    )
    tls_key: Path | None = Field(None, description="The key of that certificate, as a PEM file.")
    trusted_proxies: list[IPvAnyNetwork] = Field(
        default_factory=list,
        description=(
            "Addresses or networks of proxies in front of it, whose `X-Forwarded-For` and `X-Forwarded-Proto` "
            'are believed. A JSON list: ["127.0.0.1", "10.0.0.0/8"].'
        ),
    )
    debug: bool = Field(False, description="Django's debug pages. For development only.")
    model_dirs: list[Path] = Field(
        default_factory=list,
        description=(
            "Further folders with GGUF files, used in place and never written to. "
            'A JSON list: ["/data/models"].'
        ),
    )
    context_window: int = Field(
        8192,
        ge=0,
        le=1_048_576,
        description=(
            "Largest context window given to a model, in tokens; never above the model's own. 0: as large "
            "as an eighth of the free memory holds, but 4,096 to 32,768."
        ),
    )
    max_sequences: int = Field(
        8, ge=1, le=64, description="Sequences one model computes together; more wait in the queue."
    )
    max_generations_per_user: int = Field(
        0,
        ge=0,
        le=64,
        description=(
            "Answers of one model that are computed for one person at the same time; further ones wait, and "
            "others go first. 0: no limit but `MINERVA_MAX_SEQUENCES`."
        ),
    )
    threads: int = Field(
        0, ge=0, le=512, description="Threads a model computes with; 0: one for each physical core."
    )
    gpu_layers: int = Field(
        -1, ge=-1, le=1000, description="Layers put on the GPU; -1: as many as there are, 0: none."
    )
    idle_unload_seconds: int = Field(
        900, ge=0, description="A model nobody used for this long is unloaded; 0: never."
    )

    kv_cache_type: KVCacheType = Field(
        "f16",
        description=(
            "How precisely the KV cache is kept: q8_0 takes about half the memory of f16 and q4_0 about a "
            "quarter, at some cost in speed and quality."
        ),
    )
    prompt_cache_mib: int = Field(
        512,
        ge=0,
        le=1_048_576,
        description=(
            "Memory for ended chats of one model, in MiB, so that their next turn begins at once even "
            "when others took their place in the KV cache. Never more than the model's file has; 0: none."
        ),
    )
    share_system_prompts: bool = Field(
        True,
        description=(
            "Compute a system prompt that several users send only once. Off: how soon an answer begins "
            "tells nobody that somebody else sent the same one."
        ),
    )
    speculation: bool = Field(
        True,
        description=(
            "Guess what comes next, from what stands in the text already, and compute several tokens at "
            "once where this is measured to be faster."
        ),
    )
    draft_model: Path | None = Field(
        None,
        description=(
            "A small GGUF file whose model guesses for all larger ones that have the same vocabulary. It "
            "takes its memory once for each of them."
        ),
    )

    mlx_python: Path = Field(
        DEFAULT_PYTHON,
        description=(
            "The Python interpreter that has mlx-lm, for MLX models. `make mlx` sets it up, and on Apple "
            "silicon `make run` does."
        ),
    )

    hub_endpoint: str = Field(
        "https://huggingface.co",
        pattern=r"https?://[A-Za-z0-9.:\-]+",
        validation_alias=AliasChoices("MINERVA_HUB_ENDPOINT", "HF_ENDPOINT"),
        description="The hub that models come from, or a mirror of it. `HF_ENDPOINT` is taken too.",
    )
    hub_token: str = Field(
        "",
        repr=False,
        validation_alias=AliasChoices("MINERVA_HUB_TOKEN", "HF_TOKEN"),
        description=(
            "A token of an account at the hub, for repositories whose terms it has accepted. It is sent to "
            "the hub's own host only. `HF_TOKEN` is taken too."
        ),
    )
    offline: bool = Field(
        False,
        validation_alias=AliasChoices("MINERVA_OFFLINE", "HF_HUB_OFFLINE"),
        description="Never ask the hub. `HF_HUB_OFFLINE` is taken too.",
    )
    download_mib_per_second: float = Field(
        0,
        ge=0,
        le=100_000,
        description="All downloads together take no more than this; 0: no limit.",
    )

    api_keyless_user: str = Field(
        "",
        max_length=150,
        description=(
            "Programs on this machine itself may call the API without a key, in the name of this person. "
            "Not behind a proxy on this machine: whoever comes through it would count as this machine."
        ),
    )
    api_origins: list[str] = Field(
        default_factory=list,
        description=(
            "Pages of other sites that may call the API, with a key, as a JSON list of origins: "
            '["https://tools.example.com"]. Others are refused by the browser.'
        ),
    )

    @field_validator("api_origins")
    @classmethod
    def _are_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not re.fullmatch(r"https?://[a-z0-9.\-\[\]:]+", origin):
                raise ValueError(f"{origin} is not an origin, such as https://tools.example.com")
        return origins

    @field_validator("hub_endpoint")
    @classmethod
    def _without_slash(cls, endpoint: str) -> str:
        return endpoint.rstrip("/")

    @field_validator("context_window")
    @classmethod
    def _of_use(cls, window: int) -> int:
        if 0 < window < SMALLEST_WINDOW:
            raise ValueError(f"must be 0 or at least {SMALLEST_WINDOW}")
        return window

    @field_validator("draft_model", "tls_certificate", "tls_key")
    @classmethod
    def _is_there(cls, path: Path | None) -> Path | None:
        if path is not None and not path.expanduser().is_file():
            raise ValueError("there is no such file")
        return path and path.expanduser().absolute()

    @field_validator("data_dir", "mlx_python")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        """Processes with another working directory must mean the same folder."""
        return path.expanduser().absolute()

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Configuration:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("MINERVA_TLS_CERTIFICATE and MINERVA_TLS_KEY go together: set both")
        return self

    @property
    def serves_https(self) -> bool:
        return self.https or self.tls_certificate is not None

    @property
    def models_dir(self) -> Path:
        return self.data_dir / "models"

    @property
    def downloads_dir(self) -> Path:
        """In `models_dir`, which may be a disk of its own, so that a finished file is put in place by a
        rename. Hidden names are no models."""
        return self.models_dir / ".downloads"

    @property
    def trash_dir(self) -> Path:
        """Of models that were deleted a moment ago; on the file system of `models_dir`."""
        return self.models_dir / ".trash"

    @property
    def database_path(self) -> Path:
        return self.data_dir / "minerva.sqlite3"

    @property
    def memory_record(self) -> Path:
        """What models really took when they were loaded."""
        return self.data_dir / "memory.json"

    @property
    def inference_socket(self) -> Path:
        return self.data_dir / "run" / "inference.sock"


@cache
def configuration() -> Configuration:
    """Raises ImproperlyConfigured naming each variable that is wrong, and what is expected."""
    try:
        return Configuration()
    except ValidationError as error:
        raise ImproperlyConfigured(_explained(error)) from None


def _explained(error: ValidationError) -> str:
    lines = [
        f"{_variable(str(problem['loc'][0]))}={problem['input']!s}: {problem['msg']}."
        if problem["loc"]
        else f"{problem['msg']}."
        for problem in error.errors()
    ]
    return "\n".join(["A setting is wrong.", *lines])


def _variable(name: str) -> str:
    """Some are known by another name as well, and are named as they were given."""
    name = name.upper()
    return name if name.startswith(("MINERVA_", "HF_")) else f"MINERVA_{name}"
