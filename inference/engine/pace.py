"""How many prompt tokens a step takes, from how long steps took before.

A step can't be left early by anything but a cancel, so its length is the pause that each running
stream sees, and the longest time without a sign of life. Beside streams a prompt gets less time than
they take themselves: they slow down, by less than half, and never stop. A short prompt is computed
whole, as its reader waits for all of it; streams pause once, and not often: such pauses are on credit,
which grows with the time that streams have had.

The more tokens a step has, the less each of them costs: reading the weights once serves all. How
much less, only measuring tells, so steps are told apart by their size.
"""

from __future__ import annotations

ALONE_SECONDS = 2.0
# Of the time of a step without prompts; a pause nobody sees may be longer than that.
SHARE_BESIDE_STREAMS = 0.6
UNSEEN_SECONDS = 0.012
SMALLEST = 2
PAUSE_SECONDS = 0.2
MOST_CREDIT_SECONDS = 1.0
CREDIT_PER_SECOND = 0.5
# What a token is taken to cost in a step of a size that was never measured, to one of the next
# smaller size that was; and the least to the cost of a token alone.
LARGER_STEP = 0.75
FIRST_GUESS = 0.25
# How much the newest step counts. Those with a prompt differ more, as prompts grow.
NEWEST_WITHOUT_PROMPT = 0.2
NEWEST_WITH_PROMPT = 0.5


class PrefillPace:
    """Knows the seconds of a step of so many streams, and the seconds a token takes in a step of
    1, 2, up to 4, up to 8, … tokens."""

    def __init__(self, *, largest: int, decode_seconds: float) -> None:
        decode_seconds = max(decode_seconds, 1e-6)
        self._largest = largest
        self._stream_seconds = {1: decode_seconds}
        self._token_seconds = {0: decode_seconds}
        self._credit = MOST_CREDIT_SECONDS

    def record(self, *, num_streams: int, prompt_tokens: int, seconds: float) -> None:
        """A step was computed."""
        seconds = max(seconds, 1e-6)
        self._pay(num_streams, seconds)
        if prompt_tokens == 0:
            before = self._stream_seconds.get(num_streams, seconds)
            newest = NEWEST_WITHOUT_PROMPT * (seconds - before)
            self._stream_seconds[num_streams] = before + newest
        else:
            num_tokens = num_streams + prompt_tokens
            size, each = _size(num_tokens), seconds / num_tokens
            before = self._token_seconds.get(size, each)
            self._token_seconds[size] = before + NEWEST_WITH_PROMPT * (each - before)

    def chunk(self, *, num_streams: int) -> int:
        """Tokens that prompts may take in a step beside so many streams."""
        return max(SMALLEST, self._fitting(self._target(num_streams), num_streams))

    def whole(self, *, num_streams: int) -> int:
        """Tokens that prompts may take which begin and end in this step."""
        target = self._target(num_streams)
        if num_streams:
            target += min(PAUSE_SECONDS, self._credit)
        return max(SMALLEST, self._fitting(target, num_streams))

    def _fitting(self, target: float, num_streams: int) -> int:
        """Prompt tokens in a step that takes `target` seconds."""
        for size in range(_size(self._largest), -1, -1):
            fitting = min(int(target / self._seconds_of_token(size)), 1 << size, self._largest)
            if _size(fitting) == size:
                return fitting - num_streams
        return 0

    def _pay(self, num_streams: int, seconds: float) -> None:
        if num_streams == 0:
            self._credit = MOST_CREDIT_SECONDS
            return
        paused = max(0.0, seconds - self._target(num_streams))
        self._credit += CREDIT_PER_SECOND * seconds - paused
        self._credit = max(0.0, min(self._credit, MOST_CREDIT_SECONDS))

    def _target(self, num_streams: int) -> float:
        """Seconds that a step may take."""
        if num_streams == 0:
            return ALONE_SECONDS
        streams = self._stream_seconds[max(n for n in self._stream_seconds if n <= num_streams)]
        return streams + max(SHARE_BESIDE_STREAMS * streams, UNSEEN_SECONDS)

    def _seconds_of_token(self, size: int) -> float:
        known = max(smaller for smaller in self._token_seconds if smaller <= size)
        seconds = self._token_seconds[known]
        least = min(seconds, FIRST_GUESS * self._token_seconds[0])
        return max(seconds * LARGER_STEP ** (size - known), least)


def _size(num_tokens: int) -> int:
    """0, 1, 2, 3, … for 1, 2, up to 4, up to 8, … tokens; -1 for none."""
    return (num_tokens - 1).bit_length() if num_tokens > 0 else -1
