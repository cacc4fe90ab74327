"""mlx-lm's loader, made safe to import: the one place that knows what happens when it is.

`mlx_lm` imports transformers and the hub's client, which takes seconds of every load and can fetch.
Neither is of use here: the tokenizer is read by `tokenizers`, and a model is a folder that is here. So its
package is entered without its own start, and what would be imported from those two is left empty.
"""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any


def import_loader() -> Any:
    """The module `mlx_lm.utils`. To be called once, before anything imports mlx."""
    _prepare_environment()
    spec = importlib.util.find_spec("mlx_lm")
    assert spec is not None, "asked for without being installed"
    sys.modules["mlx_lm"] = importlib.util.module_from_spec(spec)
    _leave_empty("huggingface_hub", "snapshot_download")
    _leave_empty("mlx_lm.tokenizer_utils", "TokenizerWrapper", "load")
    import mlx_lm.utils

    return mlx_lm.utils


def _leave_empty(name: str, *parts: str) -> None:
    module = ModuleType(name)
    for part in parts:
        setattr(module, part, None)
    sys.modules[name] = module


def _prepare_environment() -> None:
    """Compiled kernels are loaded from the folder for temporary files, unchecked: it must be ours. On
    Linux there is nothing to gain from them."""
    os.environ["TMPDIR"] = tempfile.tempdir = str(_private_folder())
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    if sys.platform == "linux":
        os.environ["MLX_DISABLE_COMPILE"] = "1"


def _private_folder() -> Path:
    """The same each time, so that none is left behind by a process that was killed."""
    folder = Path(tempfile.gettempdir()) / f"minerva-mlx-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return folder if is_ours and not found.st_mode & 0o077 else Path(tempfile.mkdtemp())
