from __future__ import annotations

from random import Random

import pytest
from guide.wordings import Wording, WordingInvalid

WORDS = {"animals": ("cat", "dog")}


def all_questions(line: str) -> set[str]:
    wording = Wording.parse(line, words=WORDS)
    return {wording.sample(Random(seed), WORDS) for seed in range(300)}


@pytest.mark.parametrize(
    ("line", "questions"),
    [
        ("what is gguf", {"what is gguf"}),
        ("(what|which) model", {"what model", "which model"}),
        ("add [a|one] model", {"add a model", "add one model", "add model"}),
        ("(a|b [c|(d|e)]) f", {"a f", "b f", "b c f", "b d f", "b e f"}),
        ("feed my {animals}", {"feed my cat", "feed my dog"}),
        ("what's [up]", {"what's", "what's up"}),
    ],
)
def test_a_line_stands_for_exactly_its_questions(line, questions):
    assert all_questions(line) == questions


@pytest.mark.parametrize("line", ["(a|b", "a)", "[a", "a|b", "{animals", "a {plants}", "(a]"])
def test_a_line_that_does_not_close_or_names_no_list_is_refused_with_itself(line):
    with pytest.raises(WordingInvalid) as refused:
        Wording.parse(line, words=WORDS)

    assert line in str(refused.value)
