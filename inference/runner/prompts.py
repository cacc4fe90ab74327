"""From messages to the exact tokens the model gets, refused before anything is computed."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from inference.backends.base import LoadedModel
from inference.errors import ContextWindowExceeded
from inference.limits import check_messages, check_sampling
from inference.runner.chat_template import ChatTemplate
from inference.types import ChatMessage, SamplingParams


class PromptMaker:
    """Used by one thread. The model's `tokenize` is the only part of it that is touched."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._template = ChatTemplate(
            model.chat_template, bos_token=model.bos_text, eos_token=model.eos_text
        )

    def make(self, messages: Sequence[ChatMessage], sampling: SamplingParams) -> array[int]:
        """Raises InvalidRequest, ChatTemplateFailed, ContextWindowExceeded (there must be room for
        one token of a completion at least)."""
        check_sampling(sampling)
        check_messages(messages)
        prompt = self._model.tokenize(self._template.render(messages))
        window = self._model.context_window
        if len(prompt) >= window:
            raise ContextWindowExceeded.of(prompt_tokens=len(prompt), context_window=window)
        return prompt
