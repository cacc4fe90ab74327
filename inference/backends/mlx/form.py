"""What a completion has to look like, held to by llguidance: which tokens may come next."""

from __future__ import annotations

import json
from functools import cached_property

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from inference.backends.mlx.vocabulary import Vocabulary
from inference.errors import InvalidRequest
from inference.gbnf import lark_of
from inference.types import OutputFormat

# Between the parts of JSON: a space, or a new line and what it is indented by. Without a bound a model may
# go on with nothing else.
WHITESPACE = r"( |\n{1,2}[ \t]{0,20})"
# What it holds to exactly, or not at all.
OPTIONS = {"whitespace_pattern": WHITESPACE, "lenient": False, "coerce_one_of": False}
OWN_OPTIONS = "x-guidance"
# Its bounds of time and memory are as it ships; its errors would quote all of a grammar.
LIMITS = LLParserLimits(verbose_errors=False)
MOST_WORDS = 200
# Some of its reasons, in our words.
REASONS = {
    "NoExtension": "nothing that could be said fits it",
    "oneOf constraints": "of “oneOf” it can only hold to one whose cases exclude each other; “anyOf” will do",
    "Too many items": "it is too complex",
    "Current row": "it is too complex",
}


class Form:
    """What one completion may still become."""

    def __init__(self, matcher: LLMatcher, *, end: int) -> None:
        """`end`: the token to say when there is nothing else."""
        self._matcher = matcher
        self.end = end

    def allows(self, token: int) -> bool:
        return bool(self._matcher.validate_tokens([token]) == 1)

    def allowed(self) -> npt.NDArray[np.int32]:
        """Tokens of the model. None: it can only end. Raises InvalidRequest."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        found = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
        return found[found < self.end].astype(np.int32)

    def take(self, token: int) -> None:
        """Raises InvalidRequest."""
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise refused(self._matcher.get_error())


class Forms:
    """Of a vocabulary's tokens. From any thread."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def grammar_of(self, wanted: OutputFormat) -> str:
        """In llguidance's notation; `wanted` is within the bounds of `output_format`. Raises InvalidRequest."""
        grammar = _text(wanted)
        self.begun(grammar).allowed()
        return grammar

    def begun(self, grammar: str) -> Form:
        """Raises InvalidRequest."""
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0, limits=LIMITS)
        if matcher.is_error():
            raise refused(matcher.get_error())
        return Form(matcher, end=self._vocabulary.end)

    @cached_property
    def _tokenizer(self) -> LLTokenizer:
        """Takes half a second for a large vocabulary, so it is made when something is first held to a form.
        Parts of a vocabulary that are often all allowed would be looked at faster, and take as long again to find."""
        known = self._vocabulary
        tokens = _Tokens(known)
        tokens.made = LLTokenizer(tokens, eos_token=[*sorted(known.ends), known.end], slices=[])
        return tokens.made


class _Tokens:
    """A vocabulary as llguidance takes it."""

    is_tokenizer_wrapper = True
    bos_token_id = None
    made: LLTokenizer

    def __init__(self, known: Vocabulary) -> None:
        self.tokens = [*(known.piece(token) for token in range(known.size)), b""]
        self.special_token_ids = [*sorted(known.control), known.end]
        self.eos_token_id = known.end

    def __call__(self, text: str) -> list[int]:
        """Of a text that is certain to come. Not by the model's own tokenizer: some put a space before any
        text, or take what looks like a special token for one."""
        return list(self.made.greedy_tokenize(text))


def _text(wanted: OutputFormat) -> str:
    if wanted.grammar:
        return str(LLMatcher.grammar_from_lark(lark_of(wanted.grammar)))
    if wanted.choices:
        choices = "|".join(_escaped(choice) for choice in wanted.choices)
        return str(LLMatcher.grammar_from_regex(choices))
    schema = json.loads(wanted.json_schema)
    schema.pop(OWN_OPTIONS, None)
    return str(LLMatcher.grammar_from_json_schema(schema, overrides=OPTIONS))


def _escaped(text: str) -> str:
    return "".join(f"\\x{{{ord(one):x}}}" for one in text)


def refused(said: str) -> InvalidRequest:
    """`said`: llguidance's reason."""
    ours = [words for begun, words in REASONS.items() if begun in said]
    reason = ours[0] if ours else said.partition("\n")[0][:MOST_WORDS].rstrip(".:")
    return InvalidRequest(
        f"MLX cannot hold a model to this form: {reason}. Change it, or use a GGUF of this model.",
        field="output",
    )
