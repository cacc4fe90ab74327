"""A server whose tokens are read by threads, one for each completion."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Iterator

from benchmarks.serving.server import Answer, Asked, Server

TICK_SECONDS = 0.001


class ThreadedServer(Server):
    @abstractmethod
    def stream(self, asked: Asked) -> Iterator[str]:
        """The text of one token after the other. Called in a thread of its own."""

    def start(self, asked: Asked) -> Answer:
        answer = Answer(time.perf_counter())
        threading.Thread(target=self._read, args=(asked, answer), daemon=True).start()
        return answer

    def pump(self) -> None:
        time.sleep(TICK_SECONDS)

    def _read(self, asked: Asked, answer: Answer) -> None:
        for text in self.stream(asked):
            answer.take(text)
        answer.has_ended = True
