"""llama.cpp's log reaches Python for as long as llama.cpp may write to it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc
import llama_cpp
from inference.backends.llama.log import LlamaLog

LlamaLog()
gc.collect()
params = llama_cpp.llama_model_default_params()
llama_cpp.llama_model_load_from_file(b"/nowhere.gguf", params)
"""


def test_the_log_is_received_when_nothing_else_holds_its_receiver():
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 0
    assert "/nowhere.gguf" in ended.stderr
