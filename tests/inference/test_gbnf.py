"""llama.cpp's notation for grammars, said in llguidance's. What comes of it is in tests/process/test_mlx.py."""

from __future__ import annotations

import pytest

from inference.errors import InvalidRequest
from inference.gbnf import lark_of


def test_rules_characters_and_repetitions_are_said_in_lark():
    said = lark_of(
        r"""
        # a comment with "quotes" ::=
        root  ::= ("ab" | [^"\\\x00-\x1F\uD800-\uDFFF]){1,3} the-rest?
        the-rest ::= "" | . [a-]*
        """
    )

    assert said.splitlines() == [
        r"start: (((/[\x{61}-\x{61}]/ /[\x{62}-\x{62}]/) "
        r"| /[^\x{22}-\x{22}\x{5c}-\x{5c}\x{0}-\x{1f}]/){1,3}) (rule_1?)",
        r'rule_1: ("") | /[\x{0}-\x{10ffff}]/ (/[\x{61}-\x{61}\x{2d}-\x{2d}]/*)',
    ]


@pytest.mark.parametrize(
    ("grammar", "words"),
    [
        ("nothing", "“nothing” is not expected there|“” is not expected there"),
        ('other ::= "a"', "no rule “root”"),
        ("root ::= missing", "no rule “missing”"),
        ('root ::= "a', "means nothing"),
        ('root ::= ("a"', "not closed"),
        ('root ::= "a")', "not expected"),
        ('root ::= * "a"', "not expected"),
        ('root ::= "a"{3,2}', "repeats nothing"),
        (r'root ::= "\q"', "is no character"),
        ("root ::= []", "is empty"),
        ("root ::= [z-a]", "backwards"),
        (r"root ::= [\U00110000]", "too far"),
        ("root ::= <think>", "means nothing"),
    ],
)
def test_what_is_no_grammar_is_refused_in_words(grammar, words):
    with pytest.raises(InvalidRequest, match=words) as refused:
        lark_of(grammar)

    assert refused.value.facts == {"field": "output"}
