"""From the events of a generation to the frames of open pages, without engine, socket or database.

Rendering is done once for all pages; what a further page costs is its own frames.
"""

from __future__ import annotations

import asyncio
from functools import partial

from benchmarks.django_site import set_up

set_up()

from benchmarks.measuring import median_seconds, print_ratios  # noqa: E402
from benchmarks.rendering import SECTION, TOKEN, TOKENS_IN_A_TICK  # noqa: E402
from chat.cursor import AnswerCursor  # noqa: E402
from chat.live import LiveAnswer  # noqa: E402
from chat.models import Conversation, Message, MessageState  # noqa: E402
from inference.types import Delta  # noqa: E402

TEXT = SECTION * 8


async def stream(num_pages: int) -> None:
    conversation = Conversation(title="A chat")
    message = Message(
        conversation=conversation, role=Message.Role.ASSISTANT, state=MessageState.QUEUED
    )
    answer = LiveAnswer(message)
    pages = [AnswerCursor(answer) for _ in range(num_pages)]
    step = TOKEN * TOKENS_IN_A_TICK
    for start in range(0, len(TEXT), step):
        answer.apply(Delta(TEXT[start : start + step], num_tokens=start // TOKEN))
        for page in pages:
            await page.next_frame()


def run(num_pages: int) -> None:
    asyncio.run(stream(num_pages))


def main() -> None:
    num_tokens = len(TEXT) // TOKEN
    seconds = {
        f"{number} open pages": median_seconds(partial(run, number), runs=5)
        for number in (1, 4, 16)
    }
    print_ratios(f"An answer of {num_tokens} tokens", seconds)
    for name, value in seconds.items():
        print(f"  {name}: {value / num_tokens * 1e6:.0f} µs a token")


if __name__ == "__main__":
    main()
