"""What is said over the two sockets: client ↔ service, and service ↔ runner.

Each is a tagged struct, framed by `inference.wire`. A client's connection carries one command and
its replies; a runner's socket carries both directions for the runner's whole life. Either side
ends by closing: a runner whose socket reaches its end exits.
"""

from __future__ import annotations

import msgspec

from inference.errors import ErrorInfo
from inference.types import (
    ChatMessage,
    Event,
    FlashAttention,
    KVCacheType,
    LoadPlan,
    LoggedEvent,
    ModelDetails,
    ModelSpec,
    Overflow,
    Pooling,
    RawPrompt,
    Request,
    SamplingParams,
    ServiceStatus,
    Tool,
)

# -- client → service -----------------------------------------------------------------------------


class Generate(msgspec.Struct, frozen=True, tag="generate"):
    request: Request


class Attach(msgspec.Struct, frozen=True, tag="attach"):
    generation_id: str
    after: int = 0


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    generation_id: str


class Forget(msgspec.Struct, frozen=True, tag="forget"):
    generation_id: str


class Load(msgspec.Struct, frozen=True, tag="load"):
    spec: ModelSpec


class Unload(msgspec.Struct, frozen=True, tag="unload"):
    """`if_idle`: not while somebody waits for an answer of it."""

    model_id: str
    if_idle: bool = False


class Foresee(msgspec.Struct, frozen=True, tag="foresee"):
    spec: ModelSpec


class Recall(msgspec.Struct, frozen=True, tag="recall"):
    """What the one who started this generation noted with it."""

    generation_id: str


class GetStatus(msgspec.Struct, frozen=True, tag="get_status"):
    pass


class GetDetails(msgspec.Struct, frozen=True, tag="get_details"):
    model_id: str


Command = (
    Generate | Attach | Stop | Forget | Recall | Load | Unload | Foresee | GetStatus | GetDetails
)

# -- service → client -----------------------------------------------------------------------------


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The command was taken; nothing more follows."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    error: ErrorInfo


class Logged(msgspec.Struct, frozen=True, tag="logged"):
    """One event of an attached log; the one with a terminal event is the last."""

    event: LoggedEvent


class Recalled(msgspec.Struct, frozen=True, tag="recalled"):
    note: bytes


class StatusReply(msgspec.Struct, frozen=True, tag="status"):
    status: ServiceStatus


class PlanReply(msgspec.Struct, frozen=True, tag="plan"):
    plan: LoadPlan


class DetailsReply(msgspec.Struct, frozen=True, tag="details"):
    details: ModelDetails


Reply = Done | Refused | Logged | Recalled | StatusReply | PlanReply | DetailsReply

# -- service → runner -----------------------------------------------------------------------------


class LoadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the fallback chain. `context_window` 0: as memory allows. `gpu_layers` -1: all. `threads` 0: one a physical core.
    `kv_cache_type`: how precisely keys and values are kept. `prompt_cache_bytes`: for copies of ended
    sequences, outside of the KV cache and never more than the weights take. `share_system_prompts`:
    what no user wrote is computed once for all users. `speculation`: tokens are guessed where that pays,
    by the model at the path `draft_model`, or from the text itself. `batch_tokens`: of prompts, computed
    in one step. `silence_seconds`: a remote server's answer is given up when nothing comes for so long."""

    context_window: int = 8192
    max_sequences: int = 8
    threads: int = 0
    gpu_layers: int = -1
    use_extra_bufts: bool = True
    kv_cache_type: KVCacheType = "f16"
    flash_attention: FlashAttention = "auto"
    batch_tokens: int = 512
    prompt_cache_bytes: int = 512 * 1024 * 1024
    share_system_prompts: bool = True
    speculation: bool = True
    draft_model: str = ""
    silence_seconds: float = 60.0


class LoadModel(msgspec.Struct, frozen=True, tag="load_model"):
    """The first message a runner gets, and the only one of its kind."""

    spec: ModelSpec
    settings: LoadSettings


class Start(msgspec.Struct, frozen=True, tag="start"):
    generation_id: str
    messages: tuple[ChatMessage, ...]
    sampling: SamplingParams
    user: str = ""
    tools: tuple[Tool, ...] = ()
    overflow: Overflow = "refuse"
    prompt: RawPrompt | None = None
    template_options: str = ""
    request_id: str = ""


class Embed(msgspec.Struct, frozen=True, tag="embed"):
    generation_id: str
    inputs: tuple[str, ...]
    pooling: Pooling | None = None
    user: str = ""
    request_id: str = ""


class Tokenize(msgspec.Struct, frozen=True, tag="tokenize"):
    """One of `text`, `tokens` and `messages`. Answered beside what is being computed."""

    generation_id: str
    text: str = ""
    tokens: tuple[int, ...] = ()
    messages: tuple[ChatMessage, ...] = ()
    tools: tuple[Tool, ...] = ()
    template_options: str = ""
    request_id: str = ""


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    generation_id: str


RunnerCommand = LoadModel | Start | Embed | Tokenize | Cancel

# -- runner → service -----------------------------------------------------------------------------


class LoadProgress(msgspec.Struct, frozen=True, tag="load_progress"):
    fraction: float


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """Said after a one-token decode came back: the model really computes. `num_layers` 0: not known."""

    device: str
    context_window: int
    num_gpu_layers: int = 0
    num_layers: int = 0
    engine: str = ""


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The runner exits after this."""

    error: ErrorInfo


class Ending(msgspec.Struct, frozen=True, tag="ending"):
    """The runner exits after this, with all that it has: its server is gone."""

    error: ErrorInfo


class Emitted(msgspec.Struct, frozen=True, tag="emitted"):
    """An event of one generation; its timings are the runner's own, from the arrival of Start."""

    generation_id: str
    event: Event


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """Once a second from a thread of its own. `num_steps` grows with each pass of the engine loop."""

    num_steps: int
    num_running: int
    num_waiting: int


RunnerReport = LoadProgress | Loaded | LoadFailed | Emitted | Ending | Heartbeat
