"""The cards of an empty chat. Each fills the composer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Suggestion:
    """`topic`: which of the built-in guide's topics answers it; "" when it is not for the guide."""

    title: str
    text: str
    topic: str = ""


# Such that any real model can do something with them.
MODEL_SUGGESTIONS = (
    Suggestion("Explain", "Explain how a heat pump works, in five sentences."),
    Suggestion("Rewrite", "Rewrite this so that it is shorter and friendlier:\n\n"),
    Suggestion("Plan", "Plan a simple dinner for four people, with a shopping list."),
    Suggestion("Code", "Write a Python function that counts the words of a text."),
)

# What the guide is sure to answer; its evaluation asks each of them.
GUIDE_SUGGESTIONS = (
    Suggestion("First steps", "How do I add a model?", topic="add-a-model"),
    Suggestion("Choose", "Which model should I choose?", topic="which-model"),
    Suggestion("Speed", "How do I make answers faster?", topic="slow-answers"),
    Suggestion("Privacy", "Does anything leave this computer?", topic="privacy"),
)
