"""From messages to the exact tokens the model gets, refused before anything is computed."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from inference.backends.base import LoadedModel
from inference.engine.families import Family, family_of
from inference.engine.prefix import common_length
from inference.engine.separator import Separator
from inference.engine.sequence import Prompt
from inference.errors import ContextWindowExceeded
from inference.limits import check_messages, check_sampling, check_vocabulary
from inference.runner.chat_template import ChatTemplate
from inference.types import ChatMessage, SamplingParams, Tool


class PromptMaker:
    """Used by one thread. The model's `tokenize` is the only part of it that does something.
    `shares`: users may find in the KV cache what none of them wrote."""

    def __init__(self, model: LoadedModel, *, shares: bool = True) -> None:
        self._model = model
        self._family = family_of(model.chat_template)
        self._markers = _marker_tokens(model, self._family)
        self._shares = shares
        self._template = ChatTemplate(
            model.chat_template, bos_token=model.bos_text, eos_token=model.eos_text
        )

    def make(
        self,
        messages: Sequence[ChatMessage],
        sampling: SamplingParams,
        tools: Sequence[Tool] = (),
    ) -> Prompt:
        """Raises InvalidRequest, ChatTemplateFailed, ContextWindowExceeded (there must be room for
        one token of a completion at least)."""
        check_sampling(sampling)
        check_vocabulary(sampling, vocabulary_size=self._model.vocabulary_size)
        check_messages(messages)
        text = self._template.render(messages, tools)
        tokens = self._model.tokenize(text)
        window = self._model.context_window
        if len(tokens) >= window:
            raise ContextWindowExceeded.of(prompt_tokens=len(tokens), context_window=window)
        grammar = self._model.make_grammar(sampling.output) if sampling.output else ""
        separator = Separator(
            self._family, has_tools=bool(tools), in_reasoning=self._opens_reasoning(text)
        )
        num_public = self._num_public(tokens, text, messages)
        return Prompt(tokens, num_public, grammar, separator, self._markers)

    def _opens_reasoning(self, text: str) -> bool:
        """Some templates begin the reasoning themselves."""
        return text.rstrip().endswith(self._family.reasoning[0].opens)

    def _num_public(self, tokens: array[int], text: str, messages: Sequence[ChatMessage]) -> int:
        """Tokens before anything a user wrote: of the template and the system prompt."""
        public = _public_text(text, messages) if self._shares else ""
        return common_length(self._model.tokenize(public), tokens) if public else 0


def _marker_tokens(model: LoadedModel, family: Family) -> dict[int, bytes]:
    """Markers that are control tokens, which have no text of their own."""
    tokens: dict[int, bytes] = {}
    for marker in family.control_tokens:
        *before, token = model.tokenize(marker) or [-1]
        if token >= 0 and len(before) <= 1 and not model.piece(token):
            tokens[token] = marker.encode()
    return tokens


def _public_text(text: str, messages: Sequence[ChatMessage]) -> str:
    """Up to the first place where what a user wrote stands; "" where it can't be found, as a
    template may write it in another way."""
    written = next((one.content.strip() for one in messages if one.role != "system"), "")
    return text[: text.find(written)] if written and written in text else ""
