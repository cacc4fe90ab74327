"""What a completion has to look like, as a grammar in llama.cpp's notation (GBNF)."""

from __future__ import annotations

import json
import re

import llama_cpp
from llama_cpp.llama_grammar import json_schema_to_gbnf

from inference.backends.llama.vocabulary import Vocabulary
from inference.errors import InvalidRequest
from inference.types import OutputFormat

ROOT = b"root"
MAX_GRAMMAR_BYTES = 1024 * 1024
# The converter's own rule lets control characters and halves of surrogate pairs into a JSON string.
CHARACTER = re.compile(r"^char ::= .*$", re.MULTILINE)
JSON_CHARACTER = (
    r'char ::= [^"\\\x00-\x1F\x7F\uD800-\uDFFF] | "\\" (["\\/bfnrt] | "u" '
    r"([0-9a-cefA-CEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))"
)


def grammar_of(wanted: OutputFormat, vocabulary: Vocabulary) -> str:
    """A grammar that llama.cpp takes. `wanted` is within the bounds of `output_format`. Raises
    InvalidRequest; from any thread, as it looks at the vocabulary's fixed texts only."""
    grammar = _text(wanted)
    sampler = None
    if len(grammar) <= MAX_GRAMMAR_BYTES:
        sampler = llama_cpp.llama_sampler_init_grammar(vocabulary.handle, grammar.encode(), ROOT)
    if not sampler:
        raise InvalidRequest("llama.cpp does not understand this grammar.", field="output")
    llama_cpp.llama_sampler_free(sampler)
    return grammar


def _text(wanted: OutputFormat) -> str:
    if wanted.grammar:
        return wanted.grammar
    if wanted.choices:
        return "root ::= " + " | ".join(_quoted(choice) for choice in wanted.choices)
    try:
        return CHARACTER.sub(lambda _: JSON_CHARACTER, json_schema_to_gbnf(wanted.json_schema))
    except Exception as error:
        # It raises whatever its parts raise: AssertionError, KeyError, ValueError and others.
        raise InvalidRequest(
            "This JSON schema uses something that is not supported.", field="output"
        ) from error


def _quoted(text: str) -> str:
    """JSON's escapes are GBNF's, but for those of UTF-16."""
    return json.dumps(text, ensure_ascii=False)
