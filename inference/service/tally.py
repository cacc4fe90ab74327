"""What a model did since the service started, counted from its runner's own reports. Pure; the clock
is an argument.

What an answer has cost so far counts while it is still written, so that nobody who looks has to wait
for its end. Its exact counts come with its last event, and take the place of the running ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from inference.messages import Emitted, Loaded
from inference.service.generation import Clock
from inference.types import TERMINAL, Delta, Failed, Finished


@dataclass
class _Open:
    """An answer that is being written; `num_tokens` as of `last_at`."""

    first_at: float
    last_at: float
    num_tokens: int


class Tally:
    """Owned by one `ModelLife`. `placed`: what the runner of the present load said of itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, _Open] = {}
        self._prompt_seconds = 0.0
        self._computed_prompt_tokens = 0
        self._decode_seconds = 0.0
        self._decoded_tokens = 0  # after the first of each answer
        self._completion_tokens = 0
        self.placed: Loaded | None = None
        self.loaded_at: float | None = None
        self.last_used_at: float | None = None
        self.num_answers = 0
        self.prompt_tokens = 0

    def loaded(self, report: Loaded) -> None:
        self.placed, self.loaded_at = report, self._clock()

    def ended(self) -> None:
        """The runner is gone: what it computed was computed, finished or not."""
        self.placed = self.loaded_at = None
        for one in self._open.values():
            self._add(one.num_tokens, one.last_at - one.first_at)
        self._open.clear()

    def note(self, report: Emitted) -> None:
        now = self.last_used_at = self._clock()
        event = report.event
        if isinstance(event, Delta):
            one = self._open.setdefault(report.generation_id, _Open(now, now, 0))
            one.num_tokens, one.last_at = event.num_tokens, now
        elif isinstance(event, TERMINAL):
            self._open.pop(report.generation_id, None)
            self._settle(event)

    @property
    def completion_tokens(self) -> int:
        return self._completion_tokens + sum(one.num_tokens for one in self._open.values())

    @property
    def prompt_rate(self) -> float:
        """Prompt tokens for each second before a first token; 0.0: nothing is known yet."""
        return _rate(self._computed_prompt_tokens, self._prompt_seconds)

    @property
    def decode_rate(self) -> float:
        """Tokens of one answer a second, after its first; 0.0: nothing is known yet."""
        running = self._open.values()
        tokens = sum(max(0, one.num_tokens - 1) for one in running)
        seconds = sum(one.last_at - one.first_at for one in running)
        return _rate(self._decoded_tokens + tokens, self._decode_seconds + seconds)

    def _settle(self, event: Finished | Failed) -> None:
        usage, timings = event.usage, event.timings
        self.num_answers += isinstance(event, Finished)
        if usage is None or timings is None:
            return
        self.prompt_tokens += usage.prompt_tokens
        self._add(usage.completion_tokens, timings.decode)
        if timings.time_to_first_token is not None:
            self._computed_prompt_tokens += usage.prompt_tokens - usage.cached_tokens
            self._prompt_seconds += timings.time_to_first_token

    def _add(self, num_tokens: int, seconds: float) -> None:
        self._completion_tokens += num_tokens
        self._decoded_tokens += max(0, num_tokens - 1)
        self._decode_seconds += seconds


def _rate(tokens: int, seconds: float) -> float:
    return tokens / seconds if seconds > 0 else 0.0
