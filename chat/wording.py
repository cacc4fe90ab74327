"""The short lines under an answer: how far it is, and what it took."""

from __future__ import annotations

from chat.live import LiveAnswer
from chat.models import Message, MessageState
from inference.types import Loading, Prefill, Queued

NARROW_SPACE = "\u202f"
STATE_LINES = {
    MessageState.QUEUED: "Queued",
    MessageState.LOADING: "Loading model",
    MessageState.PREFILL: "Reading prompt",
    MessageState.STREAMING: "Generating",
}
END_LINES = {
    MessageState.STOPPED: "Stopped",
    MessageState.INTERRUPTED: "Interrupted",
    MessageState.FAILED: "Failed",
}


def status_line(answer: LiveAnswer) -> str:
    """ "Loading model 43 %": what a person waits for just now."""
    if answer.state is MessageState.STREAMING:
        doing = "Thinking" if answer.is_reasoning else "Generating"
        speed = answer.tokens_per_second
        return f"{doing} · {speed:.1f} tokens/s" if speed else doing
    match answer.progress:
        case Queued(position=position, expected_seconds=expected):
            place = f"Queued ({ordinal(position)})" if position > 1 else "Queued"
            return place if expected is None else f"{place} · {expectation(expected)}"
        case Loading(fraction=fraction):
            return f"Loading model {percent(fraction)}"
        case Prefill(num_computed_tokens=done, prompt_tokens=total) if total:
            tokens = f"{count(done)}/{count(total)} tokens"
            return f"Reading prompt {percent(done / total)} ({tokens})"
    return STATE_LINES[answer.state]


def stored_status_line(message: Message) -> str:
    return STATE_LINES.get(MessageState(message.state), "")


WINDOW_FULL = "Cut off: the context window is full."


def ending_line(message: Message) -> str:
    """Why an answer is shorter than it might be; "" for one that came to its own end."""
    if message.finish_reason == "length":
        limit = message.max_tokens
        is_at_limit = limit is not None and message.completion_tokens >= limit
        tokens = "token" if limit == 1 else "tokens"
        return (
            f"Cut off after {limit:,} {tokens}, as is set for this chat."
            if is_at_limit
            else WINDOW_FULL
        )
    return END_LINES.get(MessageState(message.state), "")


def dropped_line(message: Message) -> str:
    """What the model did not get to read; "" when it read everything."""
    if not message.num_dropped:
        return ""
    messages = "message" if message.num_dropped == 1 else "messages"
    return (
        f"The context window is full: {count(message.num_dropped)} earlier {messages} "
        "were left out."
    )


def live_reasoning_line(answer: LiveAnswer) -> str:
    if answer.is_reasoning:
        return f"Thinking… {answer.reasoning_seconds:.0f} s"
    return _thought(answer.reasoning_seconds)


def reasoning_line(message: Message) -> str:
    return "Thinking…" if message.is_running else _thought(message.reasoning_seconds)


def _thought(duration: float) -> str:
    return f"Thought for {seconds(duration)}"


def statistics(message: Message) -> list[str]:
    """What it took: "412 tokens", "23.4 tokens/s", "first token 0.8 s", "18.1 s"."""
    if not message.completion_tokens:
        return []
    unit = "token" if message.completion_tokens == 1 else "tokens"
    parts = [f"{count(message.completion_tokens)} {unit}"]
    if message.tokens_per_second:
        parts.append(f"{message.tokens_per_second:.1f} tokens/s")
    if message.time_to_first_token is not None:
        parts.append(f"first token {seconds(message.time_to_first_token)}")
    if message.total_seconds is not None:
        parts.append(seconds(message.total_seconds))
    return parts


def seconds(value: float) -> str:
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def expectation(duration: float) -> str:
    """No more exact than it is known."""
    if duration < 5:
        return "your turn comes in a moment"
    if duration < 90:
        return f"about {round(duration / 5) * 5} s"
    return f"about {round(duration / 60)} min"


def percent(fraction: float) -> str:
    return f"{min(max(fraction, 0.0), 1.0) * 100:.0f} %"


def count(number: int) -> str:
    return f"{number:,}".replace(",", NARROW_SPACE)


def ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
