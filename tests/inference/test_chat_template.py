from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from inference.errors import ChatTemplateFailed
from inference.runner.chat_template import CHATML, ChatTemplate
from inference.types import Called, ChatMessage, Tool

HELLO = (ChatMessage("system", "Be brief."), ChatMessage("user", "Hé {{ 7 * 7 }}"))


@contextmanager
def template(text: str) -> Iterator[ChatTemplate]:
    made = ChatTemplate(text, bos_token="<s>", eos_token="</s>")
    try:
        yield made
    finally:
        made.close()


def rendered(text: str, messages: tuple[ChatMessage, ...] = HELLO) -> str:
    with template(text) as made:
        return made.render(messages)


def test_a_model_without_template_is_asked_in_chatml():
    expected = (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHé {{ 7 * 7 }}<|im_end|>\n<|im_start|>assistant\n"
    )

    assert rendered("") == rendered(CHATML) == expected


def test_templates_of_model_makers_find_what_they_expect():
    text = (
        "{{ bos_token }}{%- for m in messages if m.role != 'system' %}\n"
        "    {% if loop.index > 1 %}{% break %}{% endif %}\n"
        "[INST] {{ m['content'] | trim }} [/INST]\n"
        "{%- endfor %}{{ eos_token }}"
        "{% generation %}{{ messages | length }}{% endgeneration %}"
        "{% if tools is not none or documents is not none %}TOOLS{% endif %}"
        "{{ {'a': 'é'} | tojson }}{{ strftime_now('%Y') | length }}"
    )

    assert rendered(text).replace(" ", "") == '<s>[INST]Hé{{7*7}}[/INST]</s>2{"a":"é"}4'


def test_a_template_that_refuses_is_quoted():
    with pytest.raises(ChatTemplateFailed, match="System role not supported"):
        rendered("{{ raise_exception('System role\nnot supported') }}")


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__class__.__base__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ raise_exception.__globals__['sys'] }}",
        "{{ (messages|attr('__class__')).__name__ }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
        "{{ ('{0.__class__.__mro__}' | attr('format'))(messages) }}",
        "{% import 'os' as os %}",
        "{% include '/etc/passwd' %}",
        "{{ lipsum.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ joiner.__init__.__builtins__ }}",
        "{{ strftime_now.__code__.co_code }}",
        "{{ messages.append({'role': 'user'}) }}",
        "{% for",
        "{{ unclosed",
        "{{ nothing.at.all }}",
    ],
)
def test_a_template_that_reaches_out_or_is_broken_fails(text: str):
    with pytest.raises(ChatTemplateFailed, match="chat template"):
        rendered(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 1000000000 }}",
        "{{ 1000000000 * 'a' }}",
        "{{ [0] * 1000000000 }}",
        "{{ 10 ** (10 ** 10) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' % (1000000000, 1) }}",
        "{{ '{:1000000000}'.format('a') }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ 'a' | center(1000000000) }}",
        "{{ range(1000000000) | list }}",
        "{% for a in range(1000000000) %}{% endfor %}",
        "{% set n = namespace(s='aaaa') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
        "{% set n = namespace(s='aaaa') %}{% for i in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}",
        "{% set n = namespace(s=[1]) %}{% for i in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}",
        "{% for a in range(90000) %}{{ 'a' * 100 }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 'a' | replace('a', 'a' * 900000) | replace('a', 'a' * 900000) }}",
        "{{ lipsum(n=100000) }}",
    ],
)
def test_a_bomb_is_refused_and_the_next_conversation_is_rendered(text: str):
    bomb_for_the_second = "{% if messages | length > 1 %}" + text + "{% endif %}fine"
    with template(bomb_for_the_second) as made:
        with pytest.raises(ChatTemplateFailed, match="chat template"):
            made.render(HELLO)

        assert made.render(HELLO[:1]) == "fine"


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
        "{{ ('a' * 900000) | wordwrap(1) | urlize }}{% for a in range(90000) %}"
        "{% set x = ('a' * 900000) | upper %}{% endfor %}",
    ],
)
def test_an_endless_loop_is_ended_after_its_time_and_the_next_one_is_rendered(text: str):
    endless_for_the_second = "{% if messages | length > 1 %}" + text + "{% endif %}fine"
    with template(endless_for_the_second) as made:
        with pytest.raises(ChatTemplateFailed, match="more than 2 seconds"):
            made.render(HELLO)

        assert made.render(HELLO[:1]) == "fine"


def test_a_template_of_more_than_64_kib_is_refused():
    with pytest.raises(ChatTemplateFailed, match="64 KiB"):
        rendered("x" * 70_000)


def test_a_long_conversation_is_rendered_whole():
    messages = tuple(ChatMessage("user", "é" * 2_000) for _ in range(1_000))

    assert rendered("", messages).count("é") == 2_000_000


def test_a_killed_process_is_replaced_at_the_next_conversation():
    with template("fine") as made:
        assert made._process is not None
        os.kill(made._process.pid, signal.SIGKILL)
        made._process.wait()

        assert made.render(HELLO) == "fine"


def test_tools_are_offered_as_templates_expect_them():
    text = "{% for tool in tools %}{{ tool | tojson }}{% endfor %}{{ tools is none }}"
    tool = Tool("weather", "How it is.", '{"type": "object", "properties": {"city": {}}}')

    with template(text) as made:
        offered = made.render(HELLO, [tool])

    assert offered == (
        '{"type": "function", "function": {"name": "weather", "description": "How it is.", '
        '"parameters": {"type": "object", "properties": {"city": {}}}}}False'
    )


CALLED = (
    ChatMessage("user", "Oslo?"),
    ChatMessage("assistant", "", (Called("1", "weather", '{"city": "Oslo"}'),)),
    ChatMessage("tool", "rain", call_id="1"),
)


@pytest.mark.parametrize(
    "arguments", ["{{ call.function.arguments.city }}", "{{ '' + call.function.arguments }}"]
)
def test_earlier_calls_are_given_as_the_template_takes_them(arguments):
    text = (
        "{% for m in messages %}{% for call in m.tool_calls or () %}{{ call.id }}"
        f"{{{{ call.function.name }}}}({arguments})"
        "{% endfor %}{{ m.tool_call_id }}{{ m.content }} {% endfor %}"
    )

    with template(text) as made:
        said = made.render(CALLED)

    assert said.split() in (
        ["Oslo?", "1weather(Oslo)", "1rain"],
        ["Oslo?", '1weather({"city":', '"Oslo"})', "1rain"],
    )
