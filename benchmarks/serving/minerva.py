"""Minerva's runner: the process, its socket and its engine, as the inference service uses it."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

from benchmarks.serving.server import (
    CONTEXT_WINDOW,
    MAX_SEQUENCES,
    Answer,
    Asked,
    Server,
    resident_bytes,
)
from inference.messages import Emitted, Loaded
from inference.types import TERMINAL, Delta, SamplingParams
from tests.process.runner_process import RunnerProcess


class MinervaServer(Server):
    name = "Minerva"

    def __init__(self, model: Path) -> None:
        self._runner = RunnerProcess()
        self._names = count()
        self._answers: dict[str, Answer] = {}
        loaded = self._runner.load(
            model,
            context_window=CONTEXT_WINDOW,
            max_sequences=MAX_SEQUENCES,
            gpu_layers=0,
            # Random weights repeat themselves, which no model does so much; and nobody else guesses here.
            speculation=False,
        )
        assert isinstance(loaded, Loaded), loaded

    def start(self, asked: Asked) -> Answer:
        name = str(next(self._names))
        sampling = SamplingParams(temperature=0.0, max_tokens=asked.num_tokens)
        answer = self._answers[name] = Answer(time.perf_counter())
        self._runner.start_chat(name, asked.messages, sampling, user=asked.user)
        return answer

    def pump(self) -> None:
        match self._runner.receive():
            case Emitted(name, Delta(text)):
                self._answers[name].take(text)
            case Emitted(name, event) if isinstance(event, TERMINAL):
                self._answers[name].has_ended = True

    def memory(self) -> int:
        return resident_bytes(self._runner.process.pid)

    def close(self) -> None:
        self._runner.close()
