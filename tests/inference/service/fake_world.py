"""A model's life with a clock that is turned by hand and a runner that does as the test says."""

from __future__ import annotations

from inference.errors import ErrorInfo
from inference.messages import (
    Emitted,
    Heartbeat,
    Loaded,
    LoadModel,
    LoadSettings,
    RunnerCommand,
    RunnerReport,
    Start,
)
from inference.service.fallback import links, settings_of
from inference.service.generation import Generation
from inference.service.model_life import ModelLife
from inference.service.model_messages import (
    ModelMessage,
    RunnerEnded,
    RunnerReported,
    RunnerStarted,
    StopRequested,
    Submitted,
    TimePassed,
)
from inference.types import (
    Delta,
    Event,
    Finished,
    FinishReason,
    ModelSpec,
    Timings,
    TokensRequest,
    Usage,
)
from tests.inference.service.made_requests import SPEC, FakeClock, request_of

NO_TIME = Timings(time_to_first_token=None, decode=0, total=0)
DONE = Finished(FinishReason.STOP, Usage(prompt_tokens=1, completion_tokens=1), NO_TIME)


class FakeWorld:
    """`runs`: every start that was asked for. `live`: the one that has not ended yet, 0: none."""

    def __init__(self, *, max_sequences: int = 2, idle_unload_seconds: float = 900) -> None:
        self.clock = FakeClock()
        self.runs: list[LoadModel] = []
        self.live = 0
        self.taken_down: list[tuple[int, bool]] = []
        self.sent: list[RunnerCommand] = []
        self.events: dict[str, list[Event]] = {}
        self.passed_on: list[tuple[str, ErrorInfo]] = []
        settings = LoadSettings(max_sequences=max_sequences)
        self.life = ModelLife(
            "m",
            links_of=lambda spec: links(settings_of(spec, settings), has_gpu_build=False),
            idle_unload_seconds=idle_unload_seconds,
            effects=self,
            clock=self.clock,
        )

    # -- effects --------------------------------------------------------------------------------

    def bring_up(self, run: int, load: LoadModel) -> None:
        assert self.live == 0, "two runners of one model"
        self.runs.append(load)
        self.sent.clear()
        self.live = run

    def take_down(self, run: int, *, at_once: bool) -> None:
        assert run == self.live, "a run that is over was taken down"
        self.taken_down.append((run, at_once))

    def send(self, command: RunnerCommand) -> None:
        assert self.live, "a command for no runner"
        self.sent.append(command)

    def pass_on(self, generation: Generation, error: ErrorInfo) -> None:
        self.passed_on.append((generation.id, error))

    # -- what happens ---------------------------------------------------------------------------

    def tell(self, message: ModelMessage) -> None:
        self.life.handle(message)

    def submit(self, generation_id: str, spec: ModelSpec = SPEC) -> Generation:
        generation = Generation(request_of(generation_id, spec), clock=self.clock)
        self.events[generation_id] = recorded(generation)
        self.tell(Submitted(generation))
        return generation

    def count(self, generation_id: str) -> Generation:
        """A request for tokens."""
        asked = TokensRequest(generation_id=generation_id, model=SPEC, text="hello")
        generation = Generation(asked, clock=self.clock)
        self.events[generation_id] = recorded(generation)
        self.tell(Submitted(generation))
        return generation

    def stop(self, generation_id: str) -> None:
        self.tell(StopRequested(generation_id))

    def report(self, report: RunnerReport) -> None:
        self.tell(RunnerReported(self.live, report))

    def become_ready(self) -> None:
        self.tell(RunnerStarted(self.live))
        self.report(Loaded("CPU", 2048))

    def emit(self, generation_id: str, event: Event) -> None:
        self.report(Emitted(generation_id, event))

    def end_run(self, exit_code: int | None = 0, *, error: ErrorInfo | None = None) -> None:
        run, self.live = self.live, 0
        self.tell(RunnerEnded(run, exit_code, "last line", error))

    def pass_time(self, seconds: float, *, beating: bool = True) -> None:
        """Second by second, with the runner's heartbeats or without, as the owner's task does."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.now = min(self.clock.now + 1, until)
            if beating and self.live:
                self.report(Heartbeat(num_steps=0, num_running=0, num_waiting=0))
            self.let_deadlines_pass()

    def let_deadlines_pass(self) -> None:
        while self.life.deadline() <= self.clock.now:
            self.tell(TimePassed())

    @property
    def started(self) -> list[str]:
        """Generations that the present runner was given, in order."""
        return [command.generation_id for command in self.sent if isinstance(command, Start)]

    def last(self, generation_id: str) -> Event:
        return self.events[generation_id][-1]

    def text(self, generation_id: str) -> str:
        return "".join(e.text for e in self.events[generation_id] if isinstance(e, Delta))


def recorded(generation: Generation) -> list[Event]:
    """The events as they are appended: reading a log needs an event loop, and this does not."""
    events: list[Event] = []
    append = generation.log.append

    def recording(event: Event) -> None:
        append(event)
        events.append(event)

    generation.log.append = recording  # type: ignore[method-assign]
    return events
