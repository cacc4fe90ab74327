"""Who guesses for a model: another one, or its own text."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from inference.backends.base import LoadedModel
from inference.backends.llama_cpp import LlamaCppBackend
from inference.engine.draft_model import DraftModel, has_same_vocabulary
from inference.engine.ngrams import NGramDrafter
from inference.engine.speculation import Drafter
from inference.errors import InferenceError
from inference.gguf_model import read_model
from inference.messages import LoadModel
from inference.types import ModelSpec

logger = logging.getLogger(__name__)


def drafter_of(model: LoadedModel, command: LoadModel) -> Drafter:
    """The draft model that was configured, unless it is this one or does not suit it."""
    path = command.settings.draft_model
    if path in ("", command.spec.path):
        return NGramDrafter()
    try:
        draft_model = _loaded(path, command)
    except InferenceError as error:
        logger.warning("draft model not loaded: %s", error)
        return NGramDrafter()
    if has_same_vocabulary(model, draft_model):
        return DraftModel(draft_model)
    logger.warning("draft model not used: its vocabulary is another one")
    draft_model.close()
    return NGramDrafter()


def _loaded(path: str, command: LoadModel) -> LoadedModel:
    """With as many tokens of each sequence as the model that it guesses for."""
    read_model(Path(path))
    spec = ModelSpec(
        model_id="draft", name="draft", path=path, context_window=command.spec.context_window
    )
    settings = msgspec.structs.replace(command.settings, draft_model="")
    return LlamaCppBackend().load(spec, settings, lambda _: None)
