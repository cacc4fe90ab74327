"""How many prompt tokens a step takes, from how long steps took before.

A step can't be left early by anything but a cancel, so its length is the pause that each running
stream sees, and the longest time without a sign of life. Beside streams a prompt gets less time than
they take themselves: they slow down, by less than half, and never stop.
"""

from __future__ import annotations

ALONE_SECONDS = 2.0
# Of the time of a step without prompts; a pause nobody sees may be longer than that.
SHARE_BESIDE_STREAMS = 0.7
UNSEEN_SECONDS = 0.008
SMALLEST = 2
# A prompt goes faster than one token at a time, by a factor that only measuring tells.
FIRST_GUESS = 4.0
# How much the newest step counts. Those with a prompt differ more, as prompts grow.
NEWEST_WITHOUT_PROMPT = 0.2
NEWEST_WITH_PROMPT = 0.5


class PrefillPace:
    """A step is taken to last as long as its streams alone, and then as long as its prompt tokens."""

    def __init__(self, *, largest: int, decode_seconds: float) -> None:
        decode_seconds = max(decode_seconds, 1e-6)
        self._largest = largest
        self._stream_seconds = {1: decode_seconds}
        self._seconds_per_token = decode_seconds / FIRST_GUESS

    def record(self, *, num_streams: int, prompt_tokens: int, seconds: float) -> None:
        """A step was computed. Few prompt tokens say nothing about many."""
        if prompt_tokens == 0:
            before = self._stream_seconds.get(num_streams, seconds)
            newest = NEWEST_WITHOUT_PROMPT * (seconds - before)
            self._stream_seconds[num_streams] = before + newest
        elif prompt_tokens >= SMALLEST:
            own = max(seconds - self._seconds_of(num_streams), seconds / 10)
            newest = own / prompt_tokens - self._seconds_per_token
            self._seconds_per_token += NEWEST_WITH_PROMPT * newest

    def chunk(self, *, num_streams: int) -> int:
        """Tokens that prompts may take in a step beside so many streams."""
        target = ALONE_SECONDS
        if num_streams:
            target = max(SHARE_BESIDE_STREAMS * self._seconds_of(num_streams), UNSEEN_SECONDS)
        fitting = int(target / self._seconds_per_token) // SMALLEST * SMALLEST
        return max(SMALLEST, min(fitting, self._largest))

    def _seconds_of(self, num_streams: int) -> float:
        """Of a step without prompts: as measured, or else as of the next fewer streams."""
        if num_streams == 0:
            return 0.0
        known = max(number for number in self._stream_seconds if number <= num_streams)
        return self._stream_seconds[known]
