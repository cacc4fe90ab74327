"""What travels between web, service and runner: plain values, no behaviour.

All are frozen msgspec structs, so one definition serves memory, msgpack and type checking.
Counts are tokens, durations are seconds, sizes are bytes, fractions are 0..1 unless a name says
otherwise.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from inference.errors import ErrorInfo
from inference.status import Affected as Affected
from inference.status import BreakerState as BreakerState
from inference.status import BreakerStatus as BreakerStatus
from inference.status import LoadPlan as LoadPlan
from inference.status import ModelDetails as ModelDetails
from inference.status import ModelState as ModelState
from inference.status import ModelStatus as ModelStatus
from inference.status import PastFailure as PastFailure
from inference.status import ServiceStatus as ServiceStatus

Role = Literal["system", "user", "assistant", "tool"]
KVCacheType = Literal["f16", "q8_0", "q4_0"]
Overflow = Literal["refuse", "drop_oldest"]
Pooling = Literal["mean", "cls", "last"]
FlashAttention = Literal["auto", "on", "off"]


class Called(msgspec.Struct, frozen=True):
    """A tool call of an earlier turn. `arguments`: the text of a JSON object."""

    call_id: str
    name: str
    arguments: str


class ChatMessage(msgspec.Struct, frozen=True):
    """`tool_calls`: what an assistant asked for; `call_id`: which of them a tool answers here."""

    role: Role
    content: str
    tool_calls: tuple[Called, ...] = ()
    call_id: str = ""


class Tool(msgspec.Struct, frozen=True):
    """What a model may ask for. `parameters`: the text of the JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: str = '{"type": "object", "properties": {}}'


class OutputFormat(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole completion has to look like: one of JSON that fits a schema (`{}`: any JSON), one
    of some texts, or whatever a GBNF grammar says. Bounds: `inference.output_format`."""

    json_schema: str = ""
    choices: tuple[str, ...] = ()
    grammar: str = ""


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is chosen. `seed` None: a fresh one. `max_tokens` None: to the window's end.

    `logit_bias`: pairs of token and what is added to its logit. `repeat_last_n`: generated tokens
    that penalties look back at; `dry_penalty_last_n`: those in which DRY finds repetitions.
    `logprobs`: how likely each token was, and so many others in its place; None: not wanted.
    `mirostat` 0: off, else its version, which replaces all filters. A filter at its default changes
    nothing, but for top_k, top_p and min_p.
    Bounds are checked by `inference.limits.check_sampling`, before anything is queued.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repeat_last_n: int = 256
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 1024
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    logit_bias: tuple[tuple[int, float], ...] = ()
    output: OutputFormat | None = None
    logprobs: int | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


class RemoteEndpoint(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A model of another server that speaks OpenAI's API. `base_url` ends before `/chat/completions`;
    `model`: its name there; `server_name`: as the administrator calls the server. `key` is a secret, and
    stands in no repr, log or note."""

    base_url: str
    model: str
    key: str = ""
    server_name: str = ""

    def __repr__(self) -> str:
        return f"RemoteEndpoint(base_url={self.base_url!r}, model={self.model!r})"


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to load a model. `model_id` is the catalog's id and the service's key. What is
    None or "" is as the service is set up, and the template as the file has it. `batch_tokens`: of the
    prompt computed at once. `is_pinned`: neither idle time nor another model takes it out of memory.
    `fallback`: who answers, in this one's place, what it cannot begin to answer.
    `remote`: where the model is, if it is of another server; then `path` is ""."""

    model_id: str
    name: str
    path: str
    context_window: int | None = None
    gpu_layers: int | None = None
    threads: int | None = None
    max_sequences: int | None = None
    kv_cache_type: KVCacheType | None = None
    flash_attention: FlashAttention | None = None
    batch_tokens: int | None = None
    idle_unload_seconds: int | None = None
    is_pinned: bool = False
    chat_template: str = ""
    fallback: ModelSpec | None = None
    remote: RemoteEndpoint | None = None


class RawPrompt(msgspec.Struct, frozen=True):
    """What a model goes on from as it stands, without a chat template: a text, or its tokens."""

    text: str = ""
    tokens: tuple[int, ...] = ()


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True, tag="generation"):
    """One completion, of `messages` or of a raw `prompt`. The caller chooses `generation_id`; the same id
    twice is the same generation.

    `overflow`: a conversation that does not fit into the context window is refused, or its oldest
    turns are left out, which an event says. `weight`: how many turns in the queue its user gets
    where others get one. `template_options`: the text of a JSON object, variables of the chat template.
    `request_id`: whose log lines this belongs to. `note`: the caller's own, kept with the log.
    """

    generation_id: str
    model: ModelSpec
    messages: tuple[ChatMessage, ...] = ()
    prompt: RawPrompt | None = None
    sampling: SamplingParams = SamplingParams()
    user: str = ""
    tools: tuple[Tool, ...] = ()
    overflow: Overflow = "refuse"
    weight: float = 1.0
    template_options: str = ""
    request_id: str = ""
    note: bytes = b""


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True, tag="embedding"):
    """Vectors of some texts, which come as events of a generation with this id. `pooling` None: as the
    model was trained, the mean of its tokens if that is not known."""

    generation_id: str
    model: ModelSpec
    inputs: tuple[str, ...]
    pooling: Pooling | None = None
    user: str = ""
    weight: float = 1.0
    request_id: str = ""
    note: bytes = b""


class TokensRequest(msgspec.Struct, frozen=True, kw_only=True, tag="tokens"):
    """What a text is in tokens, what tokens are as a text, or how many a conversation takes: one of the
    three. It waits for the model to be loaded, and for nobody's turn."""

    generation_id: str
    model: ModelSpec
    text: str = ""
    tokens: tuple[int, ...] = ()
    messages: tuple[ChatMessage, ...] = ()
    tools: tuple[Tool, ...] = ()
    template_options: str = ""
    user: str = ""
    weight: float = 1.0
    request_id: str = ""
    note: bytes = b""


Request = GenerationRequest | EmbeddingRequest | TokensRequest


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CANCELLED = "cancelled"


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """`is_exact` False: a remote server told no counts. What is known then is the pieces of text that came
    of it, which are most often tokens; those of the prompt are 0."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    is_exact: bool = True


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Measured in the service, from the arrival of the request.

    `time_to_first_token` None: no token came. `decode` runs from the first token to the last.
    """

    time_to_first_token: float | None
    decode: float
    total: float


# -- events of the generation log ---------------------------------------------------------------


class Queued(msgspec.Struct, frozen=True, tag="queued"):
    """`position` 1 is next in line. `expected_seconds` from now until its turn; None: nobody can tell yet."""

    position: int
    expected_seconds: float | None = None


class Loading(msgspec.Struct, frozen=True, tag="loading"):
    fraction: float


class Shortened(msgspec.Struct, frozen=True, tag="shortened"):
    """The oldest `num_messages` of the conversation did not fit and were left out."""

    num_messages: int


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """From here on it is the request of another model, which begins anew: it is queued there, loaded, and
    so on. `reason`: in half a sentence, why the one before does not answer."""

    model_id: str
    name: str
    reason: str


class Prefill(msgspec.Struct, frozen=True, tag="prefill"):
    num_computed_tokens: int
    prompt_tokens: int


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token's bytes, and the natural logarithm of how likely the model took it to be, before any
    sampler."""

    piece: bytes
    logprob: float


class SampledToken(msgspec.Struct, frozen=True):
    """`top`: the likeliest tokens in its place, the likeliest first."""

    chosen: TokenLogprob
    top: tuple[TokenLogprob, ...] = ()


class Delta(msgspec.Struct, frozen=True, tag="delta"):
    """Newly generated text: whole UTF-8 characters, stop sequences already held back.

    `num_tokens`: completion tokens so far, for the live tokens/s. `is_reasoning`: the model thinks
    before it answers; this is not part of the answer. `tokens`: those that were sampled since the
    last delta, if the request wants to know how likely they were.
    """

    text: str
    num_tokens: int
    is_reasoning: bool = False
    tokens: tuple[SampledToken, ...] = ()


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """The model wants one of the request's tools called. `arguments`: the text of a JSON object."""

    index: int
    name: str
    arguments: str


class Embedding(msgspec.Struct, frozen=True, tag="embedding"):
    """Of the input with this index. `vector`: little-endian 32-bit floats, of length 1 altogether."""

    index: int
    vector: bytes


class Tokens(msgspec.Struct, frozen=True, tag="tokens"):
    """Of a text, or of a conversation, where only their `count` is told. `pieces`: the bytes of each."""

    count: int
    tokens: tuple[int, ...] = ()
    pieces: tuple[bytes, ...] = ()


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """Terminal. The completion ended by itself, at its limit, or by Stop. `stop`: which of the request's
    stop sequences it was."""

    reason: FinishReason
    usage: Usage
    timings: Timings
    stop: str = ""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Terminal. Text of earlier deltas stays valid. `usage` None: nothing was computed."""

    error: ErrorInfo
    usage: Usage | None = None
    timings: Timings | None = None


Event = (
    Queued
    | Loading
    | Shortened
    | Moved
    | Prefill
    | Delta
    | ToolCall
    | Embedding
    | Tokens
    | Finished
    | Failed
)
TERMINAL = (Finished, Failed)


class LoggedEvent(msgspec.Struct, frozen=True):
    """An event and its place in the log. Numbers start at 1 and have no gaps."""

    number: int
    event: Event
