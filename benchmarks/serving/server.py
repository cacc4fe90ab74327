"""What the loads need of a server: start completions, wait, and know when each token came."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from inference.types import ChatMessage

PATIENCE_SECONDS = 600.0
CONTEXT_WINDOW = 16_384
MAX_SEQUENCES = 16


@dataclass(frozen=True)
class Asked:
    messages: tuple[ChatMessage, ...]
    num_tokens: int
    user: str = "ada"


@dataclass
class Answer:
    """`token_times`: when each token came, in seconds of `time.perf_counter`."""

    asked_at: float
    token_times: list[float] = field(default_factory=list)
    text: str = ""
    has_ended: bool = False

    @property
    def first_token_seconds(self) -> float:
        return self.token_times[0] - self.asked_at

    def take(self, text: str) -> None:
        self.token_times.append(time.perf_counter())
        self.text += text


class Server(ABC):
    """Loaded and ready. Used by one thread."""

    name: str

    @abstractmethod
    def start(self, asked: Asked) -> Answer: ...

    @abstractmethod
    def pump(self) -> None:
        """Let something come, for at most a moment."""

    @abstractmethod
    def memory(self) -> int:
        """Resident bytes of the process that has the model."""

    @abstractmethod
    def close(self) -> None: ...

    def wait(self, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_done():
            assert time.monotonic() < deadline, f"{self.name} does not go on"
            self.pump()

    def finish(self, *answers: Answer) -> None:
        self.wait(lambda: all(answer.has_ended for answer in answers))


def chatml(messages: tuple[ChatMessage, ...]) -> str:
    """What the model's chat template makes of them."""
    said = "".join(f"<|im_start|>{one.role}\n{one.content}<|im_end|>\n" for one in messages)
    return said + "<|im_start|>assistant\n"


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
