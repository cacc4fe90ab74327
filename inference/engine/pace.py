"""How many prompt tokens a step takes, from how long such steps took before.

A step can't be left early by anything but a cancel, so its length is the longest pause a running
stream sees, and the longest time without a sign of life. Fast models are not slowed down: they
reach `largest` well within the target, and then the chunks of a prompt are always the same.
"""

from __future__ import annotations

ALONE_SECONDS = 2.0
SHARED_SECONDS = 0.25
SMALLEST = 32
# A prompt goes faster than one token at a time, by a factor that only measuring tells.
FIRST_GUESS = 4.0


class PrefillPace:
    def __init__(self, *, largest: int, decode_seconds: float) -> None:
        self._largest = largest
        self._tokens_per_second = FIRST_GUESS / max(decode_seconds, 1e-6)

    def record(self, *, num_tokens: int, seconds: float) -> None:
        """A step computed `num_tokens`. Short steps say nothing about long ones."""
        if num_tokens < SMALLEST or seconds <= 0:
            return
        self._tokens_per_second += (num_tokens / seconds - self._tokens_per_second) / 2

    def chunk(self, *, shared: bool) -> int:
        """Tokens a prompt may take now; `shared`: streams are waiting for their next token."""
        target = SHARED_SECONDS if shared else ALONE_SECONDS
        fitting = int(self._tokens_per_second * target) // SMALLEST * SMALLEST
        return max(SMALLEST, min(fitting, self._largest))
