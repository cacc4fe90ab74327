"""Where models are looked for: Minerva's own folder, those of the settings, and those that an administrator
named on the page. All but the first are somebody else's: read, never written to."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError

from inference.errors import InvalidRequest
from models_app.model_files import folder_of
from models_app.models import UsedFolder

MOST = 50
MAX_LENGTH = 4096
# What lies in them belongs to the system. (Of /usr, further folders may hold models.)
SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/boot", "/bin", "/sbin", "/lib", "/lib64", "/System")
SYSTEM_OF_USR = ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/private/etc")
# Everything of everybody is below them.
TOO_WIDE = (
    *("/", "/home", "/Users", "/root", "/usr", "/var", "/opt", "/run", "/mnt", "/media", "/srv"),
    *("/private", "/Library", "/Applications", "/Volumes"),
)

logger = logging.getLogger(__name__)


def model_dirs() -> list[Path]:
    """The first is ours."""
    used = UsedFolder.objects.values_list("path", flat=True)
    return [*settings.MODEL_DIRS, *map(Path, used)]


def add(text: str) -> UsedFolder:
    """Raises InvalidRequest, with what to do instead."""
    if UsedFolder.objects.count() >= MOST:
        raise InvalidRequest(f"{MOST} folders are used already. Forget one first.")
    path = _resolved(text)
    if reason := why_not(path, model_dirs()):
        raise InvalidRequest(reason)
    try:
        folder = UsedFolder.objects.create(path=str(path))
    except IntegrityError as error:
        raise InvalidRequest("This folder is used already.") from error
    logger.info("folder used id=%s", folder.pk)
    return folder


def why_not(path: Path, used: Sequence[Path]) -> str:
    """Why this one, which is absolute and without links, is not used in place beside those that are; "" if it can
    be."""
    if reason := folder_of(path).problem:
        return reason
    if str(path) in TOO_WIDE or path == Path.home():
        return "This folder holds much besides models. Name the folder of the models in it."
    if _is_below_any(path, map(Path, (*SYSTEM, *SYSTEM_OF_USR))):
        return "This folder belongs to the system. Name one with models."
    own = {Path(place).resolve() for place in (settings.DATA_DIR, settings.MODELS_DIR)}
    if _is_below_any(path, own) or any(place.is_relative_to(path) for place in own):
        return "Minerva's own data lies there, and its models are listed without that. Name another folder."
    if _is_below_any(path, [one.resolve() for one in used]):
        return "Models are looked for in this folder already."
    return ""


def known_places(used: Sequence[Path]) -> list[Path]:
    """Folders of other programs' models that are here and not `used` yet."""
    home, said = Path.home(), os.environ
    cache = Path(said.get("XDG_CACHE_HOME") or home / ".cache")
    hugging_face = Path(said.get("HF_HOME") or cache / "huggingface")
    places = (
        Path(said.get("HF_HUB_CACHE") or hugging_face / "hub"),
        home / ".lmstudio" / "models",
        home / ".cache" / "lm-studio" / "models",
        cache / "llama.cpp",
        home / "Library" / "Caches" / "llama.cpp",
    )
    found = dict.fromkeys(place.resolve() for place in places if place.is_dir())
    return [place for place in found if not why_not(place, used)]


def _resolved(text: str) -> Path:
    """Raises InvalidRequest."""
    text = text.strip()
    if not text or len(text) > MAX_LENGTH or not text.isprintable():
        raise InvalidRequest("Give the path of a folder, like /data/models.")
    try:
        path = Path(text).expanduser()
        if not path.is_absolute():
            raise InvalidRequest("Give the whole path of the folder, from / on.")
        return path.resolve(strict=True)
    except FileNotFoundError as error:
        raise InvalidRequest("There is no such folder on Minerva's machine.") from error
    except NotADirectoryError as error:
        raise InvalidRequest("This is not a folder.") from error
    except RuntimeError as error:
        raise InvalidRequest("This path leads in a circle, or to nobody's home.") from error
    except OSError as error:
        raise InvalidRequest(f"This folder cannot be read: {error.strerror}.") from error


def _is_below_any(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
