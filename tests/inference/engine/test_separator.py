"""What each family of models writes around its answers, cut into tokens in any way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine.families import CHATML, FAMILIES, HARMONY, Family, family_of
from inference.engine.separator import Part, Separator, Text
from inference.engine.tool_calls import Call

MISTRAL, DEEPSEEK, GLM, LLAMA, GEMMA = FAMILIES[1:]
# What markers of several tokens have between them.
TEXTS = (" to=functions.", "analysis", "final", "commentary", "assistant", "[ARGS]", "<function=a>")
CITY = '{"city": "Oslo"}'


def separated(family: Family, pieces: list[str], **options: bool) -> list[Part]:
    """With neighbouring texts of one kind joined."""
    separator = Separator(family, **options)
    parts = [part for piece in pieces for part in separator.feed(piece)]
    joined: list[Part] = []
    for part in [*parts, *separator.finish()]:
        last = joined[-1] if joined else None
        if (
            isinstance(part, Text)
            and isinstance(last, Text)
            and last.is_reasoning == part.is_reasoning
        ):
            joined[-1] = Text(last.text + part.text, part.is_reasoning)
        else:
            joined.append(part)
    return joined


def thought(text: str) -> Text:
    return Text(text, is_reasoning=True)


ANSWERS: list[tuple[str, Family, str, list[Part]]] = [
    ("plain", CHATML, "  Hello\n\nyou ", [Text("  Hello\n\nyou ")]),
    (
        "thinking",
        CHATML,
        "<think>\nHm.\n\nSo.\n</think>\n\nYes.",
        [thought("Hm.\n\nSo."), Text("Yes.")],
    ),
    ("thinking of nothing", CHATML, "<think>\n\n</think>\n\nYes.", [Text("Yes.")]),
    ("never done thinking", CHATML, "<think>Hm. So", [thought("Hm. So")]),
    ("after a blank", CHATML, "\n<think>Hm</think>Yes", [thought("Hm"), Text("Yes")]),
    ("about the tag", CHATML, "Use <think> and </think>.", [Text("Use <think> and </think>.")]),
    (
        "Qwen",
        CHATML,
        '<think>\nA tool.\n</think>\n\n<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
        [thought("A tool."), Call("weather", CITY)],
    ),
    (
        "Qwen, two calls after a sentence",
        CHATML,
        'Let me look.\n<tool_call>\n{"name": "a", "arguments": {}}\n</tool_call>\n<tool_call>\n{"name": "b", "arguments": {}}\n</tool_call>',
        [Text("Let me look.\n"), Call("a", "{}"), Call("b", "{}")],
    ),
    (
        "Qwen3-Coder",
        CHATML,
        "<tool_call>\n<function=edit>\n<parameter=path>\na.py\n</parameter>\n<parameter=line>\n3\n</parameter>\n</function>\n</tool_call>",
        [Call("edit", '{"path": "a.py", "line": 3}')],
    ),
    (
        "no call after all",
        CHATML,
        "<tool_call>\nwhat?\n</tool_call> So.",
        [Text("<tool_call>\nwhat?\n</tool_call> So.")],
    ),
    (
        "a call cut off",
        CHATML,
        '<tool_call>{"name": "a", "arg',
        [Text('<tool_call>{"name": "a", "arg')],
    ),
    (
        "Llama 3.1",
        LLAMA,
        '{"name": "weather", "parameters": {"city": "Oslo"}}',
        [Call("weather", CITY)],
    ),
    (
        "Llama 3.1, two",
        LLAMA,
        '<|python_tag|>{"name": "a", "parameters": {}}; {"name": "b", "parameters": {}}',
        [Call("a", "{}"), Call("b", "{}")],
    ),
    ("Llama, JSON that is no call", LLAMA, '{"answer": 3}', [Text('{"answer": 3}')]),
    ("Llama, JSON in a text", LLAMA, 'So: {"name": "a"}', [Text('So: {"name": "a"}')]),
    (
        "Mistral",
        MISTRAL,
        '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}, "id": "abcdefghi"}]',
        [Call("weather", CITY)],
    ),
    (
        "Mistral, newer",
        MISTRAL,
        '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]a[ARGS]{}',
        [Call("weather", CITY), Call("a", "{}")],
    ),
    ("Magistral", MISTRAL, "[THINK]Hm.[/THINK]Yes.", [thought("Hm."), Text("Yes.")]),
    (
        "DeepSeek V3",
        DEEPSEEK,
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n"
        + CITY
        + "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        [Call("weather", CITY)],
    ),
    (
        "DeepSeek V3.1",
        DEEPSEEK,
        "<think>Hm</think>I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>"
        + CITY
        + "<｜tool▁call▁end｜><｜tool▁call▁begin｜>a<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        [thought("Hm"), Text("I look."), Call("weather", CITY), Call("a", "{}")],
    ),
    (
        "GLM",
        GLM,
        "<think>Hm</think>\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>",
        [thought("Hm"), Call("weather", '{"city": "Oslo", "days": 3}')],
    ),
    (
        "Gemma",
        GEMMA,
        "<start_function_call>call:weather{city:<escape>Oslo, Norway<escape>,days:3}<end_function_call>",
        [Call("weather", '{"city": "Oslo, Norway", "days": 3}')],
    ),
    (
        "gpt-oss",
        HARMONY,
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
        [thought("Hm."), Text("Yes.")],
    ),
    (
        "gpt-oss calls",
        HARMONY,
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>"
        + CITY
        + "<|call|>",
        [thought("Hm."), Call("weather", CITY)],
    ),
    (
        "gpt-oss calls, recipient first",
        HARMONY,
        "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.weather<|channel|>commentary json<|message|>"
        + CITY,
        [Text("I look."), Call("weather", CITY)],
    ),
]


@pytest.mark.parametrize(
    ("family", "text", "parts"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_an_answer_is_separated(family: Family, text: str, parts: list[Part]):
    assert separated(family, [text], has_tools=True) == parts
    assert separated(family, list(text), has_tools=True) == parts


@given(row=st.sampled_from(ANSWERS), data=st.data())
def test_it_does_not_matter_where_tokens_end(row, data):
    _, family, text, parts = row
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert separated(family, pieces, has_tools=True) == parts


@given(
    family=st.sampled_from([CHATML, *FAMILIES]),
    data=st.data(),
    has_tools=st.booleans(),
    in_reasoning=st.booleans(),
)
def test_no_text_ends_it_and_calls_are_json(family, data, has_tools, in_reasoning):
    """A model may write any marker anywhere."""
    pieces = st.sampled_from(
        [*family.control_tokens, *TEXTS, "{", "}", "[", '"name"', " ", "\n", "a", "<", "|", ":"]
    )
    text = data.draw(st.lists(pieces, max_size=30))

    parts = separated(family, text, has_tools=has_tools, in_reasoning=in_reasoning)

    calls = [part for part in parts if isinstance(part, Call)]
    assert all(isinstance(json.loads(call.arguments), dict) for call in calls)
    assert has_tools or not calls
    letters = "".join(part.text for part in parts if isinstance(part, Text)).count("a")
    assert calls or letters >= "".join(one for one in text if one == "a").count("a")


def test_the_end_of_a_line_stays_where_the_call_begins_a_token_later():
    """Found by the test of all cuts."""
    call = '<tool_call>{"name": "a", "arguments": {}}</tool_call>'

    for pieces in (["Look.", "\n" + call], ["Look.\n", call], ["Look.", "\n", call]):
        assert separated(CHATML, pieces, has_tools=True) == [Text("Look.\n"), Call("a", "{}")]


def test_without_tools_a_call_is_text():
    text = '<tool_call>{"name": "a", "arguments": {}}</tool_call>'

    assert separated(CHATML, [text]) == [Text(text)]


def test_a_prompt_may_have_begun_the_reasoning():
    assert separated(CHATML, ["Hm.\n</think>\n\nYes."], in_reasoning=True) == [
        thought("Hm."),
        Text("Yes."),
    ]


def test_text_is_shown_as_soon_as_it_can_be_no_marker():
    separator = Separator(CHATML)

    assert separator.feed("<thi") == []
    assert separator.feed("s") == [Text("<this")]
    assert separator.feed(" is <think") == [Text(" is <think")]


def test_reasoning_is_shown_while_it_goes_on():
    separator = Separator(CHATML)

    assert separator.feed("<think>\nHm") == [thought("Hm")]
    assert separator.feed(". ") == [thought(".")]
    assert separator.feed("So </th") == [thought(" So")]
    assert separator.feed("ink>\n\nYes") == [Text("Yes")]


@pytest.mark.parametrize(
    ("family", "text"),
    [
        (CHATML, '<tool_call>{"name": "a b", "arguments": {}}</tool_call>'),
        (CHATML, '<tool_call>{"name": "a", "arguments": [1]}</tool_call>'),
        (CHATML, '<tool_call>{"name": "' + "a" * 129 + '", "arguments": {}}</tool_call>'),
        (CHATML, "<tool_call>" + "[" * 100_000 + "</tool_call>"),
        (GEMMA, "<start_function_call>weather<end_function_call>"),
        (DEEPSEEK, "<｜tool▁calls▁begin｜><｜tool▁calls▁end｜>"),
        (HARMONY, "<|channel|>commentary to=functions.<|message|>{}<|call|>"),
    ],
)
def test_what_is_no_call_stays_text(family, text):
    assert separated(family, [text], has_tools=True) == [Text(text)]


@pytest.mark.parametrize(
    ("template", "family"),
    [
        ("{{ '<|im_start|>assistant' }}", CHATML),
        ("", CHATML),
        ("<|im_start|> <tool_call>", CHATML),
        ("<|start_header_id|>", LLAMA),
        ("[INST] [TOOL_CALLS]", MISTRAL),
        ("<start_of_turn>model", GEMMA),
        ("<|start|> <|channel|>", HARMONY),
        ("<｜User｜><｜Assistant｜>", DEEPSEEK),
        ("[gMASK]<sop> <tool_call> <arg_key>", GLM),
    ],
)
def test_the_template_tells_the_family(template, family):
    assert family_of(template) is family
