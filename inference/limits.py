"""Bounds of a request's numbers, checked before it costs anything; unchecked ones reach native code.

Knows nothing of the model: what depends on its window is bounded where that is known.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from inference.errors import InvalidRequest
from inference.output_format import check_output_format
from inference.types import (
    ChatMessage,
    EmbeddingRequest,
    RawPrompt,
    Request,
    SamplingParams,
    TokensRequest,
    Tool,
)

MAX_TOKENS = 1_048_576
MAX_SEED = 2**63 - 1
MAX_STOP_SEQUENCES = 16
MAX_STOP_LENGTH = 256
MAX_MESSAGES = 10_000
MAX_BIASES = 1024
MAX_BIAS = 100.0
WEIGHTS = (0.01, 100)
MAX_TOOLS = 128
MAX_INPUTS = 2048
MAX_TOOLS_CHARACTERS = 256 * 1024
# One token a byte at worst, which has to fit into a frame with its bytes.
MAX_TEXT_BYTES = 256 * 1024
MAX_OPTIONS_CHARACTERS = 16 * 1024
TOOL_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 5),
    "top_k": (0, MAX_TOKENS),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "typical_p": (0, 1),
    "dynatemp_range": (0, 5),
    "dynatemp_exponent": (0, 10),
    "repeat_penalty": (0.1, 10),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "repeat_last_n": (1, 4096),
    "dry_multiplier": (0, 10),
    "dry_base": (1, 10),
    "dry_allowed_length": (1, 1024),
    "dry_penalty_last_n": (1, 16_384),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 1),
    "mirostat": (0, 2),
    "mirostat_tau": (0.1, 100),
    "mirostat_eta": (0.001, 10),
    "logprobs": (0, 20),
    "seed": (0, MAX_SEED),
    "max_tokens": (1, MAX_TOKENS),
}


def check_request(request: Request) -> None:
    """Raise InvalidRequest for what can be seen without the model."""
    check_weight(request.weight)
    if isinstance(request, EmbeddingRequest):
        check_inputs(request.inputs)
        return
    check_options(request.template_options)
    check_tools(request.tools)
    if isinstance(request, TokensRequest):
        check_tokens_request(request)
        return
    if request.prompt is None:
        check_messages(request.messages)
    else:
        check_prompt(request.prompt)
    check_sampling(request.sampling)


def check_prompt(prompt: RawPrompt) -> None:
    """Its tokens are looked at where the vocabulary is known."""
    if bool(prompt.text) == bool(prompt.tokens):
        raise InvalidRequest("There is no text to go on from.", field="prompt")


def check_tokens_request(request: TokensRequest) -> None:
    given = [bool(part) for part in (request.text, request.tokens, request.messages)]
    if sum(given) > 1:
        raise InvalidRequest("Give one of a text, tokens and messages.", field="text")
    if request.messages:
        check_messages(request.messages)
    size = len(request.text.encode("utf-8", "replace"))
    if max(size, len(request.tokens)) > MAX_TEXT_BYTES:
        raise InvalidRequest(
            f"{MAX_TEXT_BYTES // 1024} KiB of text are taken at once, or as many tokens.",
            field="text",
        )


def check_options(options: str) -> None:
    """Of the chat template."""
    if options and (len(options) > MAX_OPTIONS_CHARACTERS or not is_object(options)):
        raise InvalidRequest(
            "“chat_template_kwargs” must be a JSON object of at most "
            f"{MAX_OPTIONS_CHARACTERS // 1024} KiB.",
            field="chat_template_kwargs",
        )


def check_token_ids(tokens: Sequence[int], *, vocabulary_size: int) -> None:
    """Raise InvalidRequest for one that the model does not have."""
    for token in tokens:
        if not 0 <= token < vocabulary_size:
            raise InvalidRequest(
                f"This model has no token {token:,}: they go from 0 to {vocabulary_size - 1:,}.",
                field="tokens",
            )


def check_inputs(inputs: Sequence[str]) -> None:
    """Of an embedding request."""
    if not inputs:
        raise InvalidRequest("There is no text to make an embedding of.", field="inputs")
    if len(inputs) > MAX_INPUTS:
        raise InvalidRequest(f"At most {MAX_INPUTS:,} texts are taken at once.", field="inputs")
    if any(not text for text in inputs):
        raise InvalidRequest("An empty text has no embedding.", field="inputs")


def check_sampling(params: SamplingParams) -> None:
    """Raise InvalidRequest with the field's name and its bounds, if one is out of them."""
    for field, (least, most) in RANGES.items():
        value = getattr(params, field)
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            raise InvalidRequest(f"“{field}” must be between {least:,} and {most:,}.", field=field)
    _check_stop(params.stop)
    _check_biases(params.logit_bias)
    if params.output is not None:
        check_output_format(params.output)


def check_vocabulary(params: SamplingParams, *, vocabulary_size: int) -> None:
    """Raise InvalidRequest if it names a token that the model does not have."""
    for token, _ in params.logit_bias:
        if not 0 <= token < vocabulary_size:
            raise InvalidRequest(
                f"“logit_bias” names token {token:,}, but this model's tokens go from 0 to "
                f"{vocabulary_size - 1:,}.",
                field="logit_bias",
            )


def check_messages(messages: Sequence[ChatMessage]) -> None:
    if not messages:
        raise InvalidRequest("There is no message to answer.", field="messages")
    if len(messages) > MAX_MESSAGES:
        raise InvalidRequest(
            f"A conversation may hold {MAX_MESSAGES:,} messages. Start a new chat.",
            field="messages",
        )
    for message in messages:
        for call in message.tool_calls:
            if not is_object(call.arguments):
                raise InvalidRequest(
                    "The arguments of a tool call must be a JSON object.", field="messages"
                )


def check_weight(weight: float) -> None:
    least, most = WEIGHTS
    if not least <= weight <= most:
        raise InvalidRequest(f"“weight” must be between {least} and {most}.", field="weight")


def check_tools(tools: Sequence[Tool]) -> None:
    if len(tools) > MAX_TOOLS:
        raise InvalidRequest(f"At most {MAX_TOOLS} tools are taken.", field="tools")
    size = sum(len(one.name + one.description + one.parameters) for one in tools)
    if size > MAX_TOOLS_CHARACTERS:
        raise InvalidRequest(
            f"The tools have {size:,} characters, and {MAX_TOOLS_CHARACTERS:,} are taken.",
            field="tools",
        )
    for tool in tools:
        _check_tool(tool)


def _check_tool(tool: Tool) -> None:
    if not TOOL_NAME.fullmatch(tool.name):
        raise InvalidRequest(
            "A tool's name must have 1 to 128 letters, digits, “_”, “-”, “.” or “:”.", field="tools"
        )
    if not is_object(tool.parameters):
        raise InvalidRequest("A tool's parameters must be a JSON schema.", field="tools")


def is_object(text: str) -> bool:
    """Whether it is the text of a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _check_biases(biases: Sequence[tuple[int, float]]) -> None:
    if len(biases) > MAX_BIASES:
        raise InvalidRequest(f"“logit_bias” may name {MAX_BIASES:,} tokens.", field="logit_bias")
    if any(not abs(bias) <= MAX_BIAS for _, bias in biases):
        raise InvalidRequest(
            f"A bias must be between {-MAX_BIAS:.0f} and {MAX_BIAS:.0f}.", field="logit_bias"
        )


def _check_stop(stop: Sequence[str]) -> None:
    if len(stop) > MAX_STOP_SEQUENCES:
        raise InvalidRequest(
            f"At most {MAX_STOP_SEQUENCES} stop sequences are taken.", field="stop"
        )
    if any(not 1 <= len(text) <= MAX_STOP_LENGTH for text in stop):
        raise InvalidRequest(
            f"A stop sequence must have 1 to {MAX_STOP_LENGTH} characters.", field="stop"
        )
