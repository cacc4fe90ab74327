"""Bounds of what a request may ask its completion to look like, checked before it costs anything.

Grammars run in native code that recurses: a deeply nested one ends the runner's process. A schema
that stays within these bounds becomes a grammar that does, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from inference.errors import InvalidRequest
from inference.types import OutputFormat

MAX_BYTES = 32 * 1024
MAX_DEPTH = 16
MAX_PROPERTIES = 200
MAX_ENUM = 500
MAX_REPETITIONS = 1_000
MAX_RULES = 1_000
MAX_CHOICES = 500

COUNTS = ("minItems", "maxItems", "minLength", "maxLength")
# What no grammar holds to is refused rather than passed over: the answer would not fit.
REFUSED = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("pattern", "patternProperties", "propertyNames", "minProperties", "maxProperties"),
    *("uniqueItems", "contains", "not", "if", "dependentRequired", "dependentSchemas"),
)
# Their values are schemas by name, and values that are no schemas.
NAMED = ("properties", "$defs", "definitions")
DATA = ("enum", "const", "default", "examples", "required")
# A text in quotes, a set of characters, or a comment: what is in them has no meaning.
QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\n]*', re.DOTALL)
REPETITION = re.compile(r"\{([^}]*)\}")


def check_output_format(wanted: OutputFormat) -> None:
    """Raise InvalidRequest with what is wrong and its bound."""
    given = [name for name in ("json_schema", "choices", "grammar") if getattr(wanted, name)]
    if len(given) != 1:
        raise _refused("Give one of “json_schema”, “choices” and “grammar”.")
    if wanted.json_schema:
        _check_schema(wanted.json_schema)
    elif wanted.choices:
        _check_choices(wanted.choices)
    else:
        _check_grammar(wanted.grammar)


def _check_schema(text: str) -> None:
    _check_size(text, "JSON schema")
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused("“json_schema” is not JSON.") from error
    if not isinstance(schema, dict):
        raise _refused("“json_schema” must be a JSON object.")
    _check_depth(schema, 1)
    parts = list(_schemas(schema))
    if sum(len(_named(part, "properties")) for part in parts) > MAX_PROPERTIES:
        raise _refused(f"A JSON schema may have {MAX_PROPERTIES} properties.")
    for part in parts:
        _check_part(part)


def _check_part(part: dict[str, object]) -> None:
    for name in REFUSED:
        if name in part:
            raise _refused(f"“{name}” is not supported in a JSON schema.")
    enum = part.get("enum")
    if isinstance(enum, list) and len(enum) > MAX_ENUM:
        raise _refused(f"“enum” may list {MAX_ENUM} values.")
    reference = part.get("$ref", "#/")
    if not (isinstance(reference, str) and reference.startswith("#/")):
        raise _refused("“$ref” may only name a part of the same schema: “#/…”.")
    for name in COUNTS:
        count = part.get(name, 0)
        if not (isinstance(count, int) and 0 <= count <= MAX_REPETITIONS):
            raise _refused(f"“{name}” must be a whole number up to {MAX_REPETITIONS:,}.")


def _check_depth(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _refused(f"A JSON schema may be {MAX_DEPTH} levels deep.")
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _check_depth(part, depth + 1)


def _schemas(value: object) -> Iterator[dict[str, object]]:
    """The schema itself and every one in it."""
    if isinstance(value, list):
        for part in value:
            yield from _schemas(part)
    elif isinstance(value, dict):
        yield value
        for key, part in value.items():
            if key in NAMED:
                yield from _schemas(list(_named(value, key).values()))
            elif key not in DATA:
                yield from _schemas(part)


def _named(schema: dict[str, object], key: str) -> dict[str, object]:
    schemas = schema.get(key, {})
    if not isinstance(schemas, dict):
        raise _refused(f"“{key}” must be a JSON object.")
    return schemas


def _check_choices(choices: tuple[str, ...]) -> None:
    if len(choices) > MAX_CHOICES:
        raise _refused(f"“choices” may list {MAX_CHOICES} texts.")
    if not all(choices):
        raise _refused("A choice may not be empty.")
    _check_size("".join(choices), "list of choices")


def _check_grammar(text: str) -> None:
    _check_size(text, "grammar")
    bare = QUOTED.sub('""', text)
    if bare.count("::=") > MAX_RULES:
        raise _refused(f"A grammar may have {MAX_RULES:,} rules.")
    if _nesting(bare) > MAX_DEPTH:
        raise _refused(f"The parentheses of a grammar may be {MAX_DEPTH} levels deep.")
    numbers = re.findall(r"\d+", " ".join(REPETITION.findall(bare)))
    if any(len(number) > 6 or int(number) > MAX_REPETITIONS for number in numbers):
        raise _refused(f"A grammar may repeat something {MAX_REPETITIONS:,} times.")


def _nesting(text: str) -> int:
    depth = deepest = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        deepest = max(deepest, depth)
    return deepest


def _check_size(text: str, name: str) -> None:
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise _refused(f"A {name} may have {MAX_BYTES // 1024} KiB.")


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, field="output")
