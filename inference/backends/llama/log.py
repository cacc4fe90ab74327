"""What llama.cpp prints: warnings and errors go to stderr, and what they mean is kept as facts."""

from __future__ import annotations

import re
import sys
from collections import deque
from typing import ClassVar

import llama_cpp

from inference.causes import Cause
from inference.errors import ModelLoadFailed

# ggml.h; the numbers in llama-cpp-python's own logger are those of an older one.
INFO, WARNING, ERROR, CONTINUED = 2, 3, 4, 5
OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")

# The first that matches the log says why a model was not loaded; {0} is its group.
REASONS: tuple[tuple[str, Cause, str], ...] = (
    (
        r"unknown model architecture: '([\w.-]{1,40})'",
        Cause.UNSUPPORTED,
        "This version of llama.cpp does not know the architecture “{0}”. Update Minerva, or choose "
        "another model.",
    ),
    (
        r"unknown pre-tokenizer type: '([\w.-]{1,40})'",
        Cause.UNSUPPORTED,
        "This version of llama.cpp does not know the tokenizer “{0}”. Update Minerva, or choose "
        "another model.",
    ),
    (
        r"does not divide n_embd_head|quantized V cache",
        Cause.SETTINGS,
        "This model's KV cache cannot be quantised. Set MINERVA_KV_CACHE_TYPE to f16.",
    ),
    (
        r"(?i)out of memory|failed to allocate|unable to allocate|cannot allocate",
        Cause.OUT_OF_MEMORY,
        "There is not enough memory for this model. Unload another one, choose a smaller one, or "
        "lower the context window.",
    ),
    (
        r"key not found in model: ([\w.-]{1,80})",
        Cause.BAD_FILE,
        "The model's file lacks “{0}”, which llama.cpp has to know. Take another file of this model.",
    ),
    (
        r"not within the file bounds|wrong number of tensors|missing tensor|corrupted",
        Cause.BAD_FILE,
        "The model's file is damaged or incomplete. Copy or download it again.",
    ),
)


class LlamaLog:
    """Receives llama.cpp's log from the moment it is made; one a process, kept for its life.

    llama.cpp holds a pointer to the callback until the process ends, so Python must hold the
    callback as long.
    """

    _kept: ClassVar[list[LlamaLog]] = []

    def __init__(self) -> None:
        self.offloaded_layers = (0, 0)
        self._errors: deque[str] = deque(maxlen=50)
        self._level = INFO
        self._callback = llama_cpp.llama_log_callback(self._receive)
        self._kept.append(self)
        llama_cpp.llama_log_set(self._callback, None)

    def failure(self) -> ModelLoadFailed:
        """Why loading failed, as far as the log tells, for the person who wanted the model."""
        text = "\n".join(self._errors)
        for pattern, cause, sentence in REASONS:
            if match := re.search(pattern, text):
                return ModelLoadFailed(sentence.format(*match.groups()), cause=cause.value)
        return ModelLoadFailed(
            "llama.cpp could not load this model. The log of the inference service says more."
        )

    def _receive(self, level: int, text: bytes, _: object) -> None:
        self._level = self._level if level == CONTINUED else level
        line = text.decode("utf-8", "replace")
        if match := OFFLOADED.search(line):
            self.offloaded_layers = (int(match[1]), int(match[2]))
        if self._level in (WARNING, ERROR):
            self._errors.append(line.strip())
            sys.stderr.write(line)
            sys.stderr.flush()
