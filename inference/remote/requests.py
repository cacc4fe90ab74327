"""What is asked of a server: our requests in the words of OpenAI's API, and of the kind that it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from inference.errors import InvalidRequest
from inference.messages import Start, Tokenize
from inference.remote.servers import LLAMA_CPP_PYTHON, SGLANG, Kind
from inference.types import ChatMessage, OutputFormat, SamplingParams, Tool

Body = dict[str, Any]

# Both have a default of their own at every server.
ALWAYS = ("temperature", "top_p")
OF_OPENAI = ("presence_penalty", "frequency_penalty", "seed")
# What a server takes for granted may be another number than ours.
FILTERS = ("top_k", "min_p", "repeat_penalty")
# Other samplers than the usual ones: whoever asks for one wants no other.
NAMED = {
    "dry_multiplier": "DRY",
    "mirostat": "Mirostat",
    "xtc_probability": "XTC",
    "typical_p": "typical sampling",
    "dynatemp_range": "a temperature that changes",
}
LARGEST_TOP_K = 10_000
DEFAULTS = SamplingParams()


def path_of(start: Start) -> str:
    return "chat/completions" if start.prompt is None else "completions"


def body_of(start: Start, *, model: str, kind: Kind) -> Body:
    """Raises InvalidRequest for what this kind of server does not do."""
    body: Body = {"model": model, "stream": True, "stream_options": {"include_usage": True}}
    body |= _sampling(start.sampling, kind) | _length(start, kind) | _logprobs(start)
    if start.prompt is not None:
        return body | {"prompt": start.prompt.text or list(start.prompt.tokens)}
    body |= chat_of(start)
    if start.template_options and kind.template_options:
        body["chat_template_kwargs"] = json.loads(start.template_options)
    if start.sampling.output is not None:
        body |= _form(start.sampling.output, kind)
    return body


def chat_of(command: Start | Tokenize) -> Body:
    chat: Body = {"messages": [_message(message) for message in command.messages]}
    return chat | ({"tools": [_tool(tool) for tool in command.tools]} if command.tools else {})


def _sampling(sampling: SamplingParams, kind: Kind) -> Body:
    given = {name: getattr(sampling, name) for name in (*ALWAYS, *OF_OPENAI, *kind.fields)}
    names = {**{name: name for name in (*ALWAYS, *OF_OPENAI)}, **kind.fields}
    kept = (*ALWAYS, *FILTERS)
    body = {
        names[name]: value
        for name, value in given.items()
        if name in kept or value != getattr(DEFAULTS, name)
    }
    for name, called in NAMED.items():
        if name not in kind.fields and getattr(sampling, name) != getattr(DEFAULTS, name):
            raise _not_done(f"{called}", kind, field=name)
    if "top_k" in body:
        body["top_k"] = _top_k(sampling.top_k, kind)
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}
    return body | ({"stop": list(sampling.stop)} if sampling.stop and kind.stops else {})


def _top_k(value: int, kind: Kind) -> int:
    """So many are all; mlx-lm's server breaks down when they are more than it has."""
    if 0 < value < LARGEST_TOP_K:
        return value
    return -1 if kind is SGLANG else 0


def _length(start: Start, kind: Kind) -> Body:
    wanted = start.sampling.max_tokens or kind.longest
    if wanted is None and start.prompt is not None and kind is LLAMA_CPP_PYTHON:
        wanted = 0  # its word for the end of the window; left out, it is 16
    return {} if wanted is None else {"max_tokens": wanted}


def _logprobs(start: Start) -> Body:
    wanted = start.sampling.logprobs
    if wanted is None:
        return {}
    return {"logprobs": wanted} if start.prompt else {"logprobs": True, "top_logprobs": wanted}


def _form(output: OutputFormat, kind: Kind) -> Body:
    if output.json_schema and kind.schemas:
        return {"response_format": _response_format(json.loads(output.json_schema), kind)}
    grammar = output.grammar or _grammar_of(output.choices)
    if grammar and kind.grammars:
        return {"grammar": grammar}
    what = "answers held to a JSON schema" if output.json_schema else "answers held to a grammar"
    raise _not_done(what, kind, field="output")


def _response_format(schema: Any, kind: Kind) -> Body:
    if kind is LLAMA_CPP_PYTHON:
        return {"type": "json_object", "schema": schema}
    if not schema:
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


def _grammar_of(choices: Sequence[str]) -> str:
    """GBNF, whose texts are written nearly as JSON's are."""
    texts = (json.dumps(one, ensure_ascii=False).replace("\\/", "/") for one in choices)
    return "root ::= " + " | ".join(texts) if choices else ""


def _message(message: ChatMessage) -> Body:
    said: Body = {"role": message.role, "content": message.content}
    if message.tool_calls:
        said["tool_calls"] = [
            {
                "id": call.call_id or f"call_{index}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for index, call in enumerate(message.tool_calls)
        ]
    if message.role == "tool":
        said["tool_call_id"] = message.call_id or "call_0"
    return said


def _tool(tool: Tool) -> Body:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": json.loads(tool.parameters),
    }
    return {"type": "function", "function": function}


def _not_done(what: str, kind: Kind, *, field: str) -> InvalidRequest:
    return InvalidRequest(
        f"The server of this model ({kind.name}) is not known to do this: {what}. Leave it out, or use "
        "a GGUF of this model, which llama.cpp runs.",
        field=field,
    )
