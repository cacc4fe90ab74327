"""Keeps the child processes of `serve` running, and ends all of them.

1. Start one after the other, each when the one before it is ready.
2. One that dies is started again, up to three times within a minute. After that everything is
   stopped, for the next start would not go better, and the reason is given.
3. Whatever happens, all children have ended when `run` returns. When this process is killed and
   cannot do that, the lifeline ends them: a pipe whose other end only we hold.

One thread, the main one, decides; children and signals only put events into its queue.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType

from inference.lifeline import LIFELINE_VARIABLE
from minerva_site.child import (
    BecameReady,
    Child,
    ChildEvent,
    Exited,
    NotReadyInTime,
    Program,
    describe_exit,
)
from minerva_site.child_log import ChildLog

MAX_RESTARTS = 3
RESTART_WINDOW_SECONDS = 60.0
LOOK_SECONDS = 1.0
NUM_LINES_SHOWN = 15
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Signalled:
    number: int


@dataclass(frozen=True)
class Replacement:
    """`make` is called between the end of the old child and the start of the new one."""

    name: str
    make: Callable[[], Program]


class StopRequested(Exception):
    """Somebody wants everything to end."""


class GaveUp(Exception):
    """A child keeps dying. `str` says which one and why, for the person at the terminal."""


class Supervisor:
    def __init__(
        self,
        programs: Sequence[Program],
        *,
        folder: Path,
        logs_folder: Path,
        environment: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._programs = programs
        self._folder = folder
        self._environment = environment
        self._say = say
        self._logs = {
            program.name: ChildLog(logs_folder / f"{program.name}.log") for program in programs
        }
        self._children: dict[str, Child] = {}
        self._ready: set[str] = set()
        self._deaths: defaultdict[str, deque[float]] = defaultdict(deque)
        self._events: SimpleQueue[ChildEvent | Signalled | Replacement] = SimpleQueue()
        self._lifeline = os.pipe()

    def run(self, *, when_ready: Callable[[], None]) -> None:
        """Returns when it was asked to stop; raises GaveUp. No child is left either way."""
        with self._signals_as_events():
            try:
                for program in self._programs:
                    self._start(program)
                    self._work_until(lambda name=program.name: name in self._ready)  # type: ignore[misc]
                when_ready()
                self._work_until(lambda: False)
            except StopRequested:
                self._say("Stopping.")
            finally:
                self._stop_all()

    def replace(self, name: str, make: Callable[[], Program]) -> None:
        """End the child of this name and start another in its place. From any thread."""
        self._events.put(Replacement(name, make))

    # -- events ---------------------------------------------------------------------------------

    def _work_until(self, condition: Callable[[], bool]) -> None:
        """Looks up now and then: a signal that comes just before a wait, or to another thread, does not
        end the wait, and would be heard at the next event only."""
        while not condition():
            with contextlib.suppress(Empty):
                self._handle(self._events.get(timeout=LOOK_SECONDS))

    def _handle(self, event: ChildEvent | Signalled | Replacement) -> None:
        match event:
            case Signalled():
                raise StopRequested
            case BecameReady(child):
                self._ready.add(child.program.name)
                self._say(f"{child.program.name} is ready after {child.age_seconds:.1f} s")
            case NotReadyInTime(child):
                self._say(f"{child.program.name} does not become ready; starting it again.")
                child.end(seconds=0)
            case Replacement(name, make):
                self._replace(name, make)
            case Exited(child, code) if child is self._children.get(child.program.name):
                self._restart(child, code)

    def _replace(self, name: str, make: Callable[[], Program]) -> None:
        old = self._children.pop(name)
        self._ready.discard(name)
        old.ask_to_stop()
        old.end(seconds=old.program.stop_seconds)
        self._start(make())

    def _restart(self, child: Child, code: int) -> None:
        name = child.program.name
        self._ready.discard(name)
        child.end(seconds=0)  # what it started itself
        num_deaths = self._count_death(name)
        if num_deaths > MAX_RESTARTS:
            raise GaveUp(self._why(child, code, num_deaths))
        self._say(
            f"{name} ended unexpectedly ({describe_exit(code)}). Starting it again, "
            f"{num_deaths} of {MAX_RESTARTS} times within a minute."
        )
        self._start(child.program)

    def _count_death(self, name: str) -> int:
        now = time.monotonic()
        deaths = self._deaths[name]
        deaths.append(now)
        while deaths[0] < now - RESTART_WINDOW_SECONDS:
            deaths.popleft()
        return len(deaths)

    def _why(self, child: Child, code: int, num_deaths: int) -> str:
        log = self._logs[child.program.name]
        lines = "\n".join(f"  {line}" for line in log.tail(NUM_LINES_SHOWN))
        return (
            f"{child.program.name} ended {num_deaths} times within a minute, the last time with "
            f"{describe_exit(code)}. Minerva stops. The last lines it printed, also in "
            f"{log.path}:\n{lines}"
        )

    # -- start and stop -------------------------------------------------------------------------

    def _start(self, program: Program) -> None:
        read_end = self._lifeline[0]
        self._children[program.name] = Child(
            program,
            self._logs[program.name],
            self._events.put,
            {**self._environment, LIFELINE_VARIABLE: str(read_end)},
            self._folder,
            descriptors=(read_end,),
        )

    def _stop_all(self) -> None:
        """In reverse, so that nobody misses what it depends on while it is still at work."""
        for child in reversed(self._children.values()):
            child.ask_to_stop()
            child.end(seconds=child.program.stop_seconds)
        for descriptor in self._lifeline:
            os.close(descriptor)
        for log in self._logs.values():
            log.close()

    @contextlib.contextmanager
    def _signals_as_events(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._events.put(Signalled(number))
