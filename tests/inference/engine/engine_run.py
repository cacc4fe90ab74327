"""An engine over a scripted model, driven step by step, and what it emitted."""

from __future__ import annotations

from array import array
from collections.abc import Sequence as Tokens

from inference.engine.engine import Engine
from inference.engine.posts import Announced, Prepared
from inference.engine.sequence import Prompt, Sequence
from inference.engine.speculation import Drafter
from inference.types import TERMINAL, Delta, Event, Finished, SamplingParams
from tests.inference.engine.scripted_model import ScriptedModel

MOST_STEPS = 10_000


class EngineRun:
    def __init__(
        self, model: ScriptedModel, *, shelf_bytes: int = 0, drafter: Drafter | None = None
    ) -> None:
        self.model = model
        self.events: dict[str, list[Event]] = {}
        self.now = 0.0
        self.engine = Engine(
            model,
            emit=self._emit,
            clock=lambda: self.now,
            shelf_bytes=shelf_bytes,
            drafter=drafter,
        )

    def announce(self, name: str, *, user: str = "", **sampling: object) -> None:
        params = SamplingParams(**sampling)  # type: ignore[arg-type]
        self.engine.post(Announced(Sequence(name, self.now, params, user)))

    def start(
        self,
        name: str,
        prompt: Tokens[int],
        *,
        user: str = "",
        num_public: int = 0,
        **sampling: object,
    ) -> None:
        self.announce(name, user=user, **sampling)
        self.engine.post(Prepared(name, Prompt(array("i", prompt), num_public)))

    def step(self) -> bool:
        is_going = self.engine.step()
        self.engine.scheduler.check_integrity()
        return is_going

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()

    def finish(self) -> None:
        """Until nothing is left to compute; then the cache holds what the scheduler thinks it does."""
        for _ in range(MOST_STEPS):
            if not self.step():
                break
        else:
            raise AssertionError("the engine never came to rest")
        assert self.engine.num_running == self.engine.num_waiting == 0
        assert self.model.num_cached_tokens == self.engine.scheduler.num_taken_cells
        assert all(sampler.is_closed for sampler in self.model.samplers)

    def of(self, name: str) -> list[Event]:
        return self.events.get(name, [])

    def text(self, name: str) -> str:
        return "".join(event.text for event in self.of(name) if isinstance(event, Delta))

    def end(self, name: str) -> Finished:
        last = self.of(name)[-1]
        assert isinstance(last, Finished)
        return last

    def _emit(self, name: str, event: Event) -> None:
        events = self.events.setdefault(name, [])
        assert not any(isinstance(earlier, TERMINAL) for earlier in events), "after its end"
        events.append(event)
