from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import AsyncClient
from django.utils.html import escape

from accounts.models import Session, User
from chat import consumers, flow, lookout, pages, transcript, turns
from chat.models import Conversation, MessageState
from chat.routing import websocket_urlpatterns
from inference.errors import ContextWindowExceeded
from inference.types import Loading, Prefill, Queued
from rendering import render_markdown
from tests.chat.conftest import start, stored, until_settled
from tests.chat.scripted_client import DONE, crashed, deltas, failed, thoughts

pytestmark = pytest.mark.django_db(transaction=True)

application = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))


class Viewer:
    """An open page: says its version, takes every frame at once, and remembers them."""

    def __init__(self, conversation_id: UUID, client: AsyncClient | None) -> None:
        self.conversation_id = conversation_id
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value if client else "none"
        header = f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()
        path = f"/ws/c/{conversation_id}/"
        self.socket = WebsocketCommunicator(application, path, headers=[(b"cookie", header)])
        self.frames: list[str] = []

    async def open(self, version: str = "") -> Viewer:
        connected, _ = await self.socket.connect()
        assert connected
        await self.say(version=version)
        return self

    async def say(self, **message: Any) -> None:
        await self.socket.send_to(text_data=json.dumps(message))

    async def take(self) -> str:
        frame = str(await self.socket.receive_from(timeout=10))
        self.frames.append(frame)
        await self.say(taken=len(self.frames))
        return frame

    async def until(self, wanted: str) -> str:
        """All frames up to the one that holds this."""
        taken = ""
        while wanted not in taken:
            taken += await self.take()
        return taken

    async def closing_code(self) -> int:
        while True:
            output = await self.socket.receive_output(timeout=10)
            if output["type"] == "websocket.close":
                return int(output["code"])

    def text_of(self, message_id: UUID) -> str:
        """What the finished blocks of an answer are in the page, after all frames so far."""
        part = f"message-{message_id}-text"
        article = (
            rf'<div id="{part}"[^>]*>(?P<whole>.*?)</div>(?=<div id|\n +<div class="message-act)'
        )
        update = rf'<div hx-swap-oob="(?P<swap>\w+):#{part}">(?P<blocks>.*?)</div>\n'
        html = ""
        for found in re.finditer(f"{article}|{update}", "\n".join([*self.frames, ""]), re.DOTALL):
            if found["swap"] == "beforeend":
                html += found["blocks"]
            else:
                html = found["whole"] or found["blocks"] or ""
        return html

    async def until_compared(self) -> Viewer:
        """The server has taken in what the page shows; what happens now is news to it."""
        async with asyncio.timeout(10):
            while not any(page._version for page in open_pages(self.conversation_id)):
                await asyncio.sleep(0.01)
        return self


def open_pages(conversation_id: UUID) -> list[Any]:
    return list(pages._pages.get(conversation_id, ()))


View = Callable[..., Awaitable[Viewer]]


@pytest_asyncio.fixture
async def view(conversation: Conversation, asite: AsyncClient) -> AsyncIterator[View]:
    viewers: list[Viewer] = []

    async def open_page(client: AsyncClient | None = asite, version: str = "") -> Viewer:
        viewers.append(Viewer(conversation.pk, client))
        return await viewers[-1].open(version)

    yield open_page
    for viewer in viewers:
        await viewer.socket.disconnect()


async def version_now(conversation: Conversation) -> str:
    conversation = await Conversation.objects.aget(pk=conversation.pk)
    path = await sync_to_async(transcript.path_of)(conversation)
    return transcript.version_of(conversation, path)


async def test_a_page_that_knows_nothing_gets_the_whole_transcript(view, said):
    for number in range(4):
        await sync_to_async(said)("user" if number % 2 == 0 else "assistant", f"Text {number}")

    viewer = await view()

    frames = await viewer.until("transcript-version")
    assert 'hx-swap-oob="innerHTML:#messages"' in frames
    assert [f"Text {number}" in frames for number in range(4)] == [True] * 4


async def test_a_page_that_is_up_to_date_gets_no_transcript_again(
    view, ada, conversation, inference
):
    turn = await start(ada, conversation)

    viewer = await view(version=await version_now(conversation))
    await inference.say(turn.answer.pk, *deltas("Hello"))

    frame = await viewer.take()
    assert "#messages" not in frame
    assert f'innerHTML:#message-{turn.answer.pk}-text"' in frame


async def test_the_text_arrives_and_is_what_a_reload_shows(view, ada, conversation, inference):
    text = "# Title\n\nA *first* paragraph.\n\n- one\n- two\n\n```python\nprint(1)\n```\n\nEnd."
    turn = await start(ada, conversation)
    viewer = await view()
    for number, character in enumerate(text, 1):
        await inference.say(turn.answer.pk, *deltas(character, first=number))
    await inference.say(turn.answer.pk, DONE)

    await viewer.until('data-state="done"')

    assert viewer.text_of(turn.answer.pk) == render_markdown(text)
    assert (await stored(turn.answer.pk)).text == text


async def test_what_a_model_thinks_has_a_place_of_its_own(view, ada, conversation, inference):
    turn = await start(ada, conversation)
    viewer = await view(version=await version_now(conversation))
    part = f"message-{turn.answer.pk}-reasoning"

    await inference.say(turn.answer.pk, *thoughts("Hm, <b>", "so."))
    thinking = await viewer.until("so.")
    await inference.say(turn.answer.pk, *deltas("Yes.", first=3), DONE)
    answering = await viewer.until("message-end")

    assert f'innerHTML:#{part}">Hm, &lt;b&gt;' in thinking
    assert "Thinking… 0 s" in thinking
    assert "Thought for 0.0 s" in answering
    assert viewer.text_of(turn.answer.pk) == render_markdown("Yes.")
    answer = await until_settled(turn.answer.pk)
    assert (answer.reasoning, answer.text) == ("Hm, <b>so.", "Yes.")


async def test_long_thoughts_come_in_frames_within_the_limit(view, ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *thoughts("é" * 50_000 + "So."))

    viewer = await view(version=await version_now(conversation))
    taken = await viewer.until("So.")

    assert taken.count("é") == 50_000
    assert max(len(frame.encode()) for frame in viewer.frames) <= 70_000


async def test_stored_thoughts_are_sent_with_their_answer(view, said):
    await sync_to_async(said)("user", "Why?")
    for thought in ("Hm, so.", "Hm. " * 5_000 + "Then."):
        await sync_to_async(said)(
            "assistant", "Because.", reasoning=thought, reasoning_seconds=12.0
        )

    viewer = await view()

    frames = await viewer.until("transcript-version")
    assert "Hm, so.</div>" in frames
    assert frames.count("Hm. ") == 5_000
    assert frames.count("Thought for 12.0 s") == 2


async def test_the_status_line_tells_how_far_it_is(view, ada, conversation, inference):
    turn = await start(ada, conversation)
    viewer = await view()

    await inference.say(turn.answer.pk, Queued(2))
    await viewer.until("Queued (2nd)")
    await inference.say(turn.answer.pk, Loading(0.43))
    await viewer.until("Loading model 43 %")
    await inference.say(turn.answer.pk, Prefill(1240, 2000))
    await viewer.until("Reading prompt 62 % (1\u202f240/2\u202f000 tokens)")
    await inference.say(turn.answer.pk, *deltas("a"))
    await viewer.until("Generating")


async def test_two_pages_show_the_same(view, ada, conversation, inference):
    turn = await start(ada, conversation)
    first = await view()
    await inference.say(turn.answer.pk, *deltas("One.\n\n", "Two.\n\n"))
    await first.until("One.")
    second = await view()
    await inference.say(turn.answer.pk, *deltas("Three.", first=3), DONE)

    for viewer in (first, second):
        await viewer.until('data-state="done"')

    html = render_markdown("One.\n\nTwo.\n\nThree.")
    assert first.text_of(turn.answer.pk) == second.text_of(turn.answer.pk) == html


async def test_a_turn_of_another_tab_shows_up(view, ada, conversation, inference):
    viewer = await view(version=await version_now(conversation))
    await viewer.until_compared()

    turn = await start(ada, conversation, "From the other tab")

    frames = await viewer.until("transcript-version")
    assert "From the other tab" in frames
    assert 'hx-swap-oob="beforeend:#messages"' in frames
    assert 'aria-label="Stop"' in frames
    await inference.say(turn.answer.pk, *deltas("Answer"), DONE)
    assert 'aria-label="Send"' in await viewer.until("transcript-version")


async def test_reconnecting_shows_what_is_and_then_the_rest(view, ada, conversation, inference):
    turn = await start(ada, conversation)
    version = await version_now(conversation)
    first = await view(version=version)
    await inference.say(turn.answer.pk, *deltas("One.\n\n"))
    await first.until("One.")
    await first.socket.disconnect()
    await inference.say(turn.answer.pk, *deltas("Two.\n\n", first=2))

    again = await view(version=version)
    await again.until("Two.")
    await inference.say(turn.answer.pk, *deltas("Three.", first=3), DONE)
    await again.until('data-state="done"')

    assert again.text_of(turn.answer.pk) == render_markdown("One.\n\nTwo.\n\nThree.")


async def test_an_answer_that_ended_while_the_page_was_away_is_there(
    view, ada, conversation, inference
):
    turn = await start(ada, conversation)
    version = await version_now(conversation)
    await inference.say(turn.answer.pk, *deltas("All."), DONE)
    await until_settled(turn.answer.pk)

    viewer = await view(version=version)

    frames = await viewer.until("transcript-version")
    assert '<p dir="auto">All.</p>' in frames
    assert 'data-state="done"' in frames


async def test_an_error_is_shown_inside_the_message_with_retry(view, ada, conversation, inference):
    turn = await start(ada, conversation)
    viewer = await view()

    await inference.say(turn.answer.pk, *deltas("So far"), crashed())

    frames = await viewer.until('data-state="interrupted"')
    assert "The model stopped unexpectedly." in frames
    assert f"/m/{turn.answer.pk}/retry/" in frames


async def test_retry_takes_the_place_of_the_answer(view, ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, crashed())
    answer = await until_settled(turn.answer.pk)
    viewer = await view(version=await version_now(conversation))
    await viewer.until_compared()

    again = await turns.retry(answer=answer, user=ada)

    frames = await viewer.until("transcript-version")
    assert f'id="message-{answer.pk}" hx-swap-oob="delete"' in frames
    assert f'id="message-{again.answer.pk}"' in frames


async def test_a_refused_prompt_leaves_the_page_and_says_why(view, ada, conversation, inference):
    turn = await start(ada, conversation, "Much too long")
    viewer = await view(version=await version_now(conversation))
    await viewer.until_compared()
    error = ContextWindowExceeded.of(prompt_tokens=9000, context_window=2048)

    await inference.say(turn.answer.pk, failed(error))

    frames = await viewer.until("transcript-version")
    assert f'id="message-{turn.answer.pk}" hx-swap-oob="delete"' in frames
    assert f'id="message-{turn.answer.parent_id}" hx-swap-oob="delete"' in frames
    assert "9,000 tokens" in frames
    assert f"/c/{conversation.pk}/draft/" in frames


async def test_html_and_script_links_of_a_model_are_shown_as_text(
    view, ada, conversation, inference
):
    turn = await start(ada, conversation)
    viewer = await view()
    hostile = "<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)>"

    await inference.say(turn.answer.pk, *deltas(hostile), DONE)
    await viewer.until('data-state="done"')

    html = viewer.text_of(turn.answer.pk)
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


async def test_a_stranger_is_turned_away(view, stranger):
    viewer = await view(client=stranger)

    assert await viewer.closing_code() == flow.GONE


async def test_nobody_signed_in_is_turned_away(view):
    viewer = await view(client=None)

    assert await viewer.closing_code() == flow.SIGNED_OUT


async def test_a_chat_that_does_not_exist_is_like_a_foreign_one(asite):
    viewer = await Viewer(uuid4(), asite).open()

    assert await viewer.closing_code() == flow.GONE
    await viewer.socket.disconnect()


async def test_signing_out_closes_the_socket(view, monkeypatch):
    monkeypatch.setattr(lookout, "LOOK_SECONDS", 0.05)
    viewer = await view()

    await Session.objects.all().adelete()

    assert await viewer.closing_code() == flow.SIGNED_OUT


async def test_deactivating_the_person_closes_the_socket(view, ada, monkeypatch):
    monkeypatch.setattr(lookout, "LOOK_SECONDS", 0.05)
    viewer = await view()

    await User.objects.filter(pk=ada.pk).aupdate(is_active=False)

    assert await viewer.closing_code() == flow.SIGNED_OUT


async def test_deleting_the_chat_closes_the_socket(view, conversation, asite):
    viewer = await view()
    await viewer.until("transcript-version")

    await asite.post(f"/c/{conversation.pk}/delete/")

    assert await viewer.closing_code() == flow.GONE


async def test_a_change_made_by_another_process_shows_up(view, said, conversation, monkeypatch):
    monkeypatch.setattr(lookout, "LOOK_SECONDS", 0.05)
    viewer = await view(version=await version_now(conversation))

    await sync_to_async(said)("user", "Behind your back")

    await viewer.until("Behind your back")


@pytest.mark.parametrize(
    "text", ["null", "nonsense", "[]", '{"taken": "x"}', '{"unknown": 1}', '{"taken": 5}']
)
async def test_a_message_we_do_not_know_closes_the_socket(view, text):
    viewer = await view()

    await viewer.socket.send_to(text_data=text)

    assert await viewer.closing_code() == flow.TOO_MUCH


async def test_a_page_that_says_too_much_is_closed(view):
    viewer = await view()

    for _ in range(int(flow.MESSAGE_BURST) + 5):
        await viewer.say(version="")

    assert await viewer.closing_code() == flow.TOO_MUCH


async def test_one_person_can_open_so_many_pages_and_no_more(view, monkeypatch):
    monkeypatch.setattr(pages, "MAX_PAGES_PER_USER", 2)
    first, second = await view(), await view()
    third = await view()

    assert await third.closing_code() == flow.TOO_MUCH
    assert await first.take()
    assert await second.take()


async def test_a_page_that_takes_nothing_is_sent_no_more_than_the_window(
    view, ada, conversation, inference, monkeypatch
):
    monkeypatch.setattr(consumers, "FRAME_SECONDS", 0.0)
    monkeypatch.setattr(flow, "MESSAGE_BURST", 10_000.0)
    turn = await start(ada, conversation)
    quick = await view()
    slow = await view()
    for number in range(200):
        await inference.say(turn.answer.pk, *deltas(f"Paragraph {number}.\n\n", first=number + 1))
        await quick.until(f"Paragraph {number}.")

    num_sent = slow.socket.output_queue.qsize()

    assert num_sent == flow.WINDOW_FRAMES
    assert len(quick.frames) > 100


async def test_a_slow_page_gets_fewer_and_larger_frames_and_the_whole_text(
    view, ada, conversation, inference, monkeypatch
):
    monkeypatch.setattr(consumers, "FRAME_SECONDS", 0.0)
    monkeypatch.setattr(flow, "MESSAGE_BURST", 10_000.0)
    turn = await start(ada, conversation)
    quick = await view()
    slow = await view()
    text = ""
    for number in range(200):
        text += f"Paragraph {number}.\n\n"
        await inference.say(turn.answer.pk, *deltas(f"Paragraph {number}.\n\n", first=number + 1))
        await quick.until(f"Paragraph {number}.")
    await inference.say(turn.answer.pk, DONE)

    await slow.until('data-state="done"')

    assert slow.text_of(turn.answer.pk) == render_markdown(text)
    assert len(slow.frames) < flow.WINDOW_FRAMES + 10


async def test_a_page_that_stopped_taking_is_closed(
    view, ada, conversation, inference, monkeypatch
):
    monkeypatch.setattr(flow, "SLOW_SECONDS", 0.2)
    monkeypatch.setattr(flow, "WINDOW_FRAMES", 2)
    turn = await start(ada, conversation)
    viewer = await view()

    for number in range(20):
        await inference.say(turn.answer.pk, *deltas(f"Paragraph {number}.\n\n", first=number + 1))

    assert await viewer.closing_code() == flow.TOO_SLOW


async def test_a_long_transcript_comes_in_frames_within_the_limit(view, said):
    prompt = "<&>\n" * 40_000
    text = "\n\n".join(f"{number} " + "word " * 1000 for number in range(60))
    for number in range(20):
        await sync_to_async(said)("user", f"{number}" * 12_000)
    long_prompt = await sync_to_async(said)("user", prompt)
    long_answer = await sync_to_async(said)("assistant", text)

    viewer = await view()
    await viewer.until("transcript-version")

    assert viewer.text_of(long_prompt.pk) == escape(prompt)
    assert viewer.text_of(long_answer.pk) == render_markdown(text)
    assert max(len(frame.encode()) for frame in viewer.frames) <= 96 * 1024


async def test_a_long_answer_comes_in_frames_within_the_limit(view, ada, conversation, inference):
    text = "\n\n".join(f"{number} " + "word " * 1000 for number in range(60))
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *deltas(text))

    viewer = await view()
    await viewer.until("59 word")
    await inference.say(turn.answer.pk, DONE)
    await viewer.until('data-state="done"')

    assert viewer.text_of(turn.answer.pk) == render_markdown(text)
    assert max(len(frame.encode()) for frame in viewer.frames) <= 64 * 1024


async def test_closed_pages_are_forgotten(view, conversation, ada):
    viewer = await view()
    await viewer.take()

    await viewer.socket.disconnect()

    assert conversation.pk not in pages._pages
    assert ada.pk not in pages._num_pages


async def test_an_answer_stored_by_nobody_we_know_is_sent_again_when_it_ends(
    view, said, conversation, monkeypatch
):
    monkeypatch.setattr(lookout, "LOOK_SECONDS", 0.05)
    answer = await sync_to_async(said)("assistant", "So", state=MessageState.STREAMING)
    viewer = await view()
    await viewer.until("transcript-version")

    answer.text, answer.state = "So it ends", MessageState.DONE
    await answer.asave()

    assert "So it ends" in await viewer.until('data-state="done"')
