"""How families of models mark what is not content: reasoning and tool calls.

A model's chat template tells which family it is of, by markers that it writes itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from inference.engine import tool_calls
from inference.engine.tool_calls import Call

TOKEN = re.compile(r"<[^<> ]+>|\[[^\[\] ]+\]")


@dataclass(frozen=True)
class Bracket:
    """`opens` and `closes` are markers around something; "" closes with the completion.

    `at_start`: only what the completion begins with; later it is text about markers.
    `is_part`: the opening marker belongs to what it opens.
    """

    opens: str
    closes: str
    at_start: bool = False
    is_part: bool = False


@dataclass(frozen=True)
class Family:
    """`found_by`: texts of which a template of this family has one. `dropped`: markers that frame
    content. `within_calls`: further ones that `read_calls` looks for."""

    name: str
    found_by: tuple[str, ...]
    read_calls: Callable[[str], list[Call]]
    calls: tuple[Bracket, ...] = ()
    reasoning: tuple[Bracket, ...] = (Bracket("<think>", "</think>", at_start=True),)
    dropped: tuple[str, ...] = ()
    within_calls: tuple[str, ...] = ()

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Parts of markers that may be tokens of their own, without a text."""
        brackets = (*self.calls, *self.reasoning)
        texts = [text for one in brackets for text in (one.opens, one.closes)]
        all_texts = " ".join([*texts, *self.dropped, *self.within_calls])
        return tuple(sorted(set(TOKEN.findall(all_texts))))


HARMONY = Family(
    name="Harmony (gpt-oss)",
    found_by=("<|channel|>",),
    read_calls=tool_calls.harmony_calls,
    calls=(
        Bracket("<|channel|>commentary to=functions.", "<|call|>"),
        Bracket("<|channel|>analysis to=functions.", "<|call|>"),
        Bracket("<|start|>assistant to=functions.", "<|call|>"),
        Bracket(" to=functions.", "<|call|>", at_start=True),
    ),
    reasoning=(Bracket("<|channel|>analysis<|message|>", "<|end|>"),),
    dropped=(
        "<|start|>assistant",
        "<|channel|>final<|message|>",
        "<|channel|>commentary<|message|>",
        "<|end|>",
        "<|return|>",
    ),
)
# In the order in which they are looked for: the marks of the later ones occur in several.
FAMILIES = (
    HARMONY,
    Family(
        name="Mistral",
        found_by=("[TOOL_CALLS]", "[INST]"),
        read_calls=tool_calls.mistral_calls,
        calls=(Bracket("[TOOL_CALLS]", ""),),
        within_calls=("[ARGS]",),
        reasoning=(
            Bracket("[THINK]", "[/THINK]"),
            Bracket("<think>", "</think>", at_start=True),
        ),
    ),
    Family(
        name="DeepSeek",
        found_by=("<｜tool▁calls▁begin｜>", "<｜Assistant｜>"),
        read_calls=tool_calls.deepseek_calls,
        calls=(Bracket("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),),
        within_calls=("<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"),
    ),
    Family(
        name="GLM",
        found_by=("<arg_key>", "[gMASK]"),
        read_calls=tool_calls.glm_calls,
        calls=(Bracket("<tool_call>", "</tool_call>"),),
    ),
    Family(
        name="Llama 3",
        found_by=("<|python_tag|>", "<|start_header_id|>"),
        read_calls=tool_calls.json_calls,
        calls=(
            Bracket("<|python_tag|>", ""),
            Bracket("{", "", at_start=True, is_part=True),
        ),
    ),
    Family(
        name="Gemma",
        found_by=("<start_of_turn>", "<start_function_call>"),
        read_calls=tool_calls.gemma_calls,
        calls=(Bracket("<start_function_call>", "<end_function_call>"),),
        within_calls=("<escape>",),
    ),
)
# What most others have taken over; templates without any marker get it too.
CHATML = Family(
    name="ChatML (Qwen, Hermes)",
    found_by=("<|im_start|>",),
    read_calls=tool_calls.qwen_calls,
    calls=(Bracket("<tool_call>", "</tool_call>"),),
)


def family_of(template: str) -> Family:
    return next(
        (family for family in FAMILIES if any(mark in template for mark in family.found_by)),
        CHATML,
    )
