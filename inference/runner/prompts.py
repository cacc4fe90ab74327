"""From messages to the exact tokens the model gets, refused before anything is computed."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from inference.backends.base import LoadedModel
from inference.backends.capabilities import Capabilities, Feature
from inference.engine.families import Family, family_of
from inference.engine.prefix import common_length
from inference.engine.separator import Separator
from inference.engine.sequence import Prompt
from inference.errors import ContextWindowExceeded, InvalidRequest
from inference.limits import (
    check_inputs,
    check_messages,
    check_prompt,
    check_sampling,
    check_token_ids,
    check_tools,
    check_vocabulary,
)
from inference.messages import Embed, Start, Tokenize
from inference.runner.chat_template import ChatTemplate
from inference.runner.overflow import without_oldest
from inference.types import ChatMessage, RawPrompt, Tokens

# At least this part of the context window is left to the completion where turns are left out.
ROOM = 4


@dataclass(frozen=True)
class Given:
    """A conversation as the model reads it."""

    messages: tuple[ChatMessage, ...]
    text: str
    tokens: array[int]


class PromptMaker:
    """Used by one thread. The model's `tokenize` is the only part of it that does something.
    `shares`: users may find in the KV cache what none of them wrote."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        chat_template: str,
        capabilities: Capabilities,
        shares: bool = True,
    ) -> None:
        self._model = model
        self._capabilities = capabilities
        self._family = family_of(chat_template)
        self._markers = _marker_tokens(model, self._family)
        self._shares = shares
        self._template = ChatTemplate(
            chat_template, bos_token=model.bos_text, eos_token=model.eos_text
        )

    def make(self, start: Start) -> Prompt:
        """Raises InvalidRequest, ChatTemplateFailed, ContextWindowExceeded (there must be room for
        one token of a completion at least)."""
        self._check_generates()
        sampling = start.sampling
        check_sampling(sampling)
        self._capabilities.check(sampling)
        check_vocabulary(sampling, vocabulary_size=self._model.vocabulary_size)
        grammar = self._model.make_grammar(sampling.output) if sampling.output else ""
        if start.prompt is not None:
            return Prompt(self._raw(start.prompt), grammar=grammar)
        check_messages(start.messages)
        check_tools(start.tools)
        given = self._given(start)
        return Prompt(
            given.tokens,
            self._num_public(given),
            grammar,
            self._separator(given, start),
            self._markers,
            len(start.messages) - len(given.messages),
        )

    def inputs(self, embed: Embed) -> tuple[array[int], ...]:
        """Tokens of each text. Raises InvalidRequest, ContextWindowExceeded."""
        self._capabilities.require(Feature.EMBEDDINGS, field="inputs")
        check_inputs(embed.inputs)
        tokens = tuple(self._model.tokenize_input(text) for text in embed.inputs)
        window = self._model.embedding_window
        if any(not one for one in tokens):
            raise InvalidRequest("A text has no tokens for this model.", field="inputs")
        if (longest := max(len(one) for one in tokens)) > window:
            raise ContextWindowExceeded.of(prompt_tokens=longest, context_window=window)
        return tokens

    def tokens(self, command: Tokenize) -> Tokens:
        """Raises InvalidRequest, ChatTemplateFailed."""
        if command.messages:
            text = self._template.render(command.messages, command.tools, command.template_options)
            return Tokens(len(self._model.tokenize(text)))
        check_token_ids(command.tokens, vocabulary_size=self._model.vocabulary_size)
        tokens = tuple(command.tokens or self._model.tokenize(command.text))
        return Tokens(len(tokens), tokens, tuple(self._model.piece(token) for token in tokens))

    def _raw(self, prompt: RawPrompt) -> array[int]:
        """Raises InvalidRequest, ContextWindowExceeded."""
        check_prompt(prompt)
        check_token_ids(prompt.tokens, vocabulary_size=self._model.vocabulary_size)
        tokens = array("i", prompt.tokens) or self._model.tokenize(prompt.text)
        if len(tokens) >= self._model.context_window:
            raise ContextWindowExceeded.of(
                prompt_tokens=len(tokens), context_window=self._model.context_window
            )
        return tokens

    def _check_generates(self) -> None:
        if not self._model.generates:
            raise InvalidRequest("This model makes embeddings. It cannot chat; choose another one.")

    def _given(self, start: Start) -> Given:
        """What the model gets to read."""
        window = self._model.context_window
        whole = self._rendered(start.messages, start)
        if len(whole.tokens) < window:
            return whole
        if start.overflow == "drop_oldest":
            most = window - min(start.sampling.max_tokens or window, window // ROOM)

            def fits(messages: tuple[ChatMessage, ...]) -> bool:
                return len(self._rendered(messages, start).tokens) <= most

            if shorter := without_oldest(start.messages, fits):
                return self._rendered(shorter, start)
        raise ContextWindowExceeded.of(prompt_tokens=len(whole.tokens), context_window=window)

    def _rendered(self, messages: tuple[ChatMessage, ...], start: Start) -> Given:
        text = self._template.render(messages, start.tools, start.template_options)
        return Given(messages, text, self._model.tokenize(text))

    def _separator(self, given: Given, start: Start) -> Separator | None:
        """Some templates begin the reasoning themselves. Where the whole completion has a form, there
        is neither reasoning nor a call in it."""
        if start.sampling.output is not None:
            return None
        opens = given.text.rstrip().endswith(self._family.reasoning[0].opens)
        return Separator(self._family, has_tools=bool(start.tools), in_reasoning=opens)

    def _num_public(self, given: Given) -> int:
        """Tokens before anything a user wrote: of the template and the system prompt."""
        public = _public_text(given.text, given.messages) if self._shares else ""
        return common_length(self._model.tokenize(public), given.tokens) if public else 0


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
