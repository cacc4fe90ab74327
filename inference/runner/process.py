"""The runner: load a model once, then compute completions until the service hangs up.

Threads, started in this order:
1. reader: commands from the socket; its end is the end of the process, even inside a decode.
2. writer: reports that the socket did not take at once.
3. heartbeat: a sign of life each second, also while the model loads.
4. preparer: chat template, tokenizing and the checks of a prompt, so that they cost no stream time.
5. the main thread loads the model and becomes the engine's; it alone computes.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, NoReturn

from inference.backends.base import LoadedModel
from inference.backends.capabilities import Capabilities, Feature
from inference.backends.choice import backend_of
from inference.causes import Cause
from inference.engine.engine import Engine
from inference.engine.posts import Announced, Post, Prepared, PreparedInputs, Refused
from inference.engine.sequence import Sequence
from inference.errors import InferenceError, ModelLoadFailed
from inference.messages import (
    Cancel,
    Embed,
    Emitted,
    Ending,
    Heartbeat,
    Loaded,
    LoadFailed,
    LoadModel,
    LoadProgress,
    RunnerCommand,
    Start,
    Tokenize,
)
from inference.model_files import read_any
from inference.runner.channel import Channel
from inference.runner.drafting import drafter_of
from inference.runner.prompts import PromptMaker
from inference.types import Event, Failed, Finished, FinishReason, SamplingParams, Timings, Usage

if TYPE_CHECKING:
    from inference.remote.relay import Relay

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
FLUSH_SECONDS = 1.0
# Some pre-tokenizers recurse for each character of a word; macOS gives a thread only 512 KiB.
PREPARER_STACK_BYTES = 64 * 1024 * 1024


class Runner:
    def __init__(self, connection: socket.socket) -> None:
        self._channel = Channel(connection)
        self._load_command: SimpleQueue[LoadModel] = SimpleQueue()
        self._starts: SimpleQueue[Start | Embed | Tokenize] = SimpleQueue()
        self._engine: Engine | None = None
        self._remote: Relay | None = None

    def run(self) -> None:
        """Returns never: the process ends here or in the reader."""
        self._channel.start(self._handle)
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        try:
            command = self._load_command.get()
            if command.spec.remote is not None:
                self._relay(command)
            size = read_any(Path(command.spec.path)).size
            self._serve(*self._load(command), command, size=size)
        except InferenceError as error:
            self._channel.send(LoadFailed(error.info))
        except Exception:
            logger.exception("the runner ends")
            self._report_broken_load()
        self._channel.flush(timeout=FLUSH_SECONDS)
        os._exit(1)

    def _relay(self, command: LoadModel) -> NoReturn:
        """A model of another server. Raises InferenceError before it is loaded."""
        # Only here: its HTTP client is of no use to a model of this machine.
        from inference.remote.relay import Relay

        self._remote = relay = Relay(command, self._channel.send)
        try:
            relay.run()
        except InferenceError as error:
            if not relay.is_loaded:
                raise
            self._channel.send(Ending(error.info))
        self._channel.flush(timeout=FLUSH_SECONDS)
        os._exit(1)

    def _load(self, command: LoadModel) -> tuple[LoadedModel, Capabilities]:
        backend = backend_of(Path(command.spec.path))
        if backend.capabilities.missing:
            raise ModelLoadFailed(
                f"{backend.capabilities.name} is not there: {backend.capabilities.missing}.",
                cause=Cause.MISSING_LIBRARY.value,
            )
        model = backend.load(command.spec, command.settings, self._report_progress)
        return model, backend.capabilities

    def _serve(
        self, model: LoadedModel, capabilities: Capabilities, command: LoadModel, *, size: int
    ) -> None:
        settings = command.settings
        guesses = settings.speculation and Feature.SPECULATION in capabilities.features
        prompts = PromptMaker(
            model,
            chat_template=command.spec.chat_template or model.chat_template,
            shares=settings.share_system_prompts,
            capabilities=capabilities,
        )
        engine = Engine(
            model,
            drafter=drafter_of(model, command) if guesses else None,
            emit=self._emit,
            flush=self._channel.send_collected,
            clock=time.monotonic,
            shelf_bytes=min(settings.prompt_cache_bytes, size),
        )
        threading.stack_size(PREPARER_STACK_BYTES)
        threading.Thread(
            target=self._prepare, args=(prompts, engine), name="preparer", daemon=True
        ).start()
        self._engine = engine
        self._channel.send(_loaded(model))
        engine.run()

    def _handle(self, command: RunnerCommand) -> None:
        if self._remote is not None and self._remote.is_loaded:
            self._remote.post(command)
            return
        match command, self._engine:
            case LoadModel(), None:
                self._load_command.put(command)
            case Start() | Embed(), Engine() as engine:
                engine.post(Announced(_sequence(command)))
                self._starts.put(command)
            case Tokenize(), Engine():
                self._starts.put(command)
            case Cancel(generation_id), Engine() as engine:
                engine.cancel(generation_id)
            case _:
                raise RuntimeError(f"{type(command).__name__} is out of order")

    def _prepare(self, prompts: PromptMaker, engine: Engine) -> None:
        while True:
            command = self._starts.get()
            if isinstance(command, Tokenize):
                self._tell_tokens(command, prompts)
            else:
                engine.post(_prepared(command, prompts))

    def _tell_tokens(self, command: Tokenize, prompts: PromptMaker) -> None:
        name = command.generation_id
        nothing = Timings(time_to_first_token=None, decode=0.0, total=0.0)
        try:
            tokens = prompts.tokens(command)
            self._channel.collect(Emitted(name, tokens))
            usage = Usage(prompt_tokens=tokens.count, completion_tokens=0)
            self._channel.send(Emitted(name, Finished(FinishReason.STOP, usage, nothing)))
        except InferenceError as error:
            self._channel.send(Emitted(name, Failed(error.info)))
        except Exception:
            logger.exception("tokenizing failed generation=%s", name)
            broken = InferenceError("This text could not be split into tokens.")
            self._channel.send(Emitted(name, Failed(broken.info)))

    def _beat(self) -> None:
        while True:
            engine = self._engine or self._remote
            counts = (engine.num_steps, engine.num_running, engine.num_waiting) if engine else ()
            self._channel.send(Heartbeat(*(counts or (0, 0, 0))))
            time.sleep(HEARTBEAT_SECONDS)

    def _emit(self, generation_id: str, event: Event) -> None:
        self._channel.collect(Emitted(generation_id, event))

    def _report_progress(self, fraction: float) -> None:
        self._channel.send(LoadProgress(fraction))

    def _report_broken_load(self) -> None:
        """After Loaded the end of the process says it all."""
        if self._engine is None and not (self._remote and self._remote.is_loaded):
            error = ModelLoadFailed("The model could not be loaded. The log says more.")
            self._channel.send(LoadFailed(error.info))


def _loaded(model: LoadedModel) -> Loaded:
    return Loaded(
        device=model.device,
        context_window=model.context_window,
        num_gpu_layers=model.num_gpu_layers,
        num_layers=model.num_layers,
        engine=model.engine,
    )


def _sequence(command: Start | Embed) -> Sequence:
    sampling = command.sampling if isinstance(command, Start) else SamplingParams()
    return Sequence(command.generation_id, time.monotonic(), sampling, command.user)


def _prepared(command: Start | Embed, prompts: PromptMaker) -> Post:
    name = command.generation_id
    logger.info("preparing generation=%s request=%s", name, command.request_id or "-")
    try:
        if isinstance(command, Embed):
            return PreparedInputs(name, prompts.inputs(command), command.pooling)
        return Prepared(name, prompts.make(command))
    except InferenceError as error:
        return Refused(name, error)
    except Exception:
        logger.exception("preparing failed generation=%s", name)
        return Refused(name, InferenceError("This prompt could not be prepared for the model."))
