"""Grammars in llama.cpp's notation (GBNF), said in llguidance's Lark: the same texts fit both.

Every character is a terminal of its own. Longer ones would be read greedily: of `[a-z]* "x"` the first part
would take the x as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from inference.errors import InvalidRequest

TOKEN = re.compile(
    r"""(?P<space>(?:\s|\#[^\n]*)+) | (?P<defines>::=) | (?P<name>[A-Za-z0-9-]+)
    | "(?P<literal>(?:\\.|[^"\\])*)" | \[(?P<set>(?:\\.|[^\]\\])*)\]
    | (?P<repeats>[*+?]|\{\s*\d+\s*(?:,\s*\d*\s*)?\}) | (?P<sign>[|().])""",
    re.DOTALL | re.VERBOSE,
)
ONE = r"\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\[trn\\\"\[\]]|[^\\]"
CHARACTER = re.compile(ONE, re.DOTALL)
# One character, or those from one to another.
RANGE = re.compile(f"({ONE})(?:-({ONE}))?", re.DOTALL)
ESCAPED = {"t": "\t", "r": "\r", "n": "\n"}
LAST = 0x10FFFF
# Halves of pairs of UTF-16: no text has them.
SURROGATES = (0xD800, 0xDFFF)
ROOT = "root"


@dataclass(frozen=True)
class Token:
    kind: str
    text: str


def lark_of(grammar: str) -> str:
    """`grammar` is within the bounds of `output_format`. Raises InvalidRequest."""
    return _Reader(grammar).lark()


class _Reader:
    def __init__(self, grammar: str) -> None:
        self._tokens = [*_tokens(grammar), Token("end", "")]
        self._next = 0
        self._rules: dict[str, str] = {}
        self._names: dict[str, str] = {ROOT: "start"}

    def lark(self) -> str:
        while self._kind() != "end":
            name = self._take("name").text
            self._take("defines")
            self._rules[self._name(name)] = self._alternatives()
        for name, named in self._names.items():
            if named not in self._rules:
                raise _refused(f"it has no rule “{name}”")
        return "".join(f"{name}: {body}\n" for name, body in self._rules.items())

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, f"rule_{len(self._names)}")

    def _alternatives(self) -> str:
        found = [self._sequence()]
        while self._is_sign("|"):
            self._next += 1
            found.append(self._sequence())
        return " | ".join(found)

    def _sequence(self) -> str:
        parts: list[str] = []
        while not self._ends_sequence():
            parts.append(self._repeated(self._part()))
        return " ".join(parts) or '""'

    def _ends_sequence(self) -> bool:
        """Also where the next rule begins."""
        is_rule = self._kind() == "name" and self._kind(ahead=1) == "defines"
        return self._kind() == "end" or is_rule or self._is_sign("|") or self._is_sign(")")

    def _part(self) -> str:
        if self._is_sign("("):
            self._next += 1
            inner = self._alternatives()
            if not self._is_sign(")"):
                raise _refused("a parenthesis is not closed")
            self._next += 1
            return f"({inner})"
        token = self._take("name", "literal", "set", "sign")
        if token.kind == "name":
            return self._name(token.text)
        return _literal(token.text) if token.kind == "literal" else _set(token)

    def _repeated(self, part: str) -> str:
        while self._kind() == "repeats":
            part = f"({part}{_bounds(self._take('repeats').text)})"
        return part

    def _kind(self, *, ahead: int = 0) -> str:
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)].kind

    def _is_sign(self, sign: str) -> bool:
        return self._tokens[self._next] == Token("sign", sign)

    def _take(self, *kinds: str) -> Token:
        token = self._tokens[self._next]
        if token.kind not in kinds:
            raise _refused(f"“{token.text[:20]}” is not expected there")
        self._next += 1
        return token


def _tokens(grammar: str) -> Iterator[Token]:
    place = 0
    while place < len(grammar):
        found = TOKEN.match(grammar, place)
        if found is None:
            raise _refused(f"“{grammar[place : place + 20]}” means nothing")
        assert found.lastgroup is not None
        if found.lastgroup != "space":
            yield Token(found.lastgroup, found[found.lastgroup])
        place = found.end()


def _bounds(text: str) -> str:
    if text in "*+?":
        return text
    least, comma, most = (part.strip() for part in text[1:-1].partition(","))
    if comma and most and int(most) < int(least):
        raise _refused(f"“{text}” repeats nothing")
    return f"{{{least},{most}}}" if comma else f"{{{least}}}"


def _literal(text: str) -> str:
    codes = [_code(one[0]) for one in _all_of(CHARACTER, text)]
    return "(" + (" ".join(_terminal([(code, code)]) for code in codes) or '""') + ")"


def _set(token: Token) -> str:
    if token.kind == "sign":  # the full stop
        return _terminal([], is_negated=True)
    is_negated = token.text.startswith("^")
    found = _all_of(RANGE, token.text[is_negated:])
    ends = [(_code(one[1]), _code(one[2] or one[1])) for one in found]
    return _terminal(ends, is_negated=is_negated)


def _all_of(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(text):
        found = pattern.match(text, place)
        if found is None:
            raise _refused(f"“{text[place : place + 6]}” is no character")
        yield found
        place = found.end()


def _code(written: str) -> int:
    if not written.startswith("\\"):
        return ord(written)
    if written[1] in "xuU":
        return int(written[2:], 16)
    return ord(ESCAPED.get(written[1], written[1]))


def _terminal(ranges: Iterable[tuple[int, int]], *, is_negated: bool = False) -> str:
    """A set of characters as a regular expression."""
    parts = [part for one in ranges for part in _without_surrogates(*one)]
    if is_negated and not parts:
        parts = [(0, LAST)]
    elif is_negated:
        return f"/[^{_written(parts)}]/"
    if not parts:
        raise _refused("a set of characters is empty")
    return f"/[{_written(parts)}]/"


def _written(ranges: list[tuple[int, int]]) -> str:
    return "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in ranges)


def _without_surrogates(first: int, last: int) -> list[tuple[int, int]]:
    if first > last or last > LAST:
        raise _refused("a range of characters is backwards or goes too far")
    below, above = (first, min(last, SURROGATES[0] - 1)), (max(first, SURROGATES[1] + 1), last)
    return [one for one in (below, above) if one[0] <= one[1]]


def _refused(reason: str) -> InvalidRequest:
    return InvalidRequest(f"This grammar cannot be understood: {reason}.", field="output")
