"""What a page is sent when the conversation changes before it has all of the transcript."""

from __future__ import annotations

import pytest

from chat.models import Conversation, Message
from chat.open_page import LONG_TEXT, OpenPage

pytestmark = pytest.mark.django_db(transaction=True)


async def add_turn(conversation: Conversation, prompt: str) -> tuple[Message, Message]:
    """A long prompt goes in frames of its own, before the answer's article."""
    user = await Message.objects.acreate(
        conversation=conversation, role=Message.Role.USER, text=prompt
    )
    answer = await Message.objects.acreate(
        conversation=conversation, parent=user, role=Message.Role.ASSISTANT, text="Yes."
    )
    conversation.leaf = answer
    await conversation.asave()
    return user, answer


async def half_sent(ada, conversation) -> tuple[OpenPage, Message, Message]:
    user, answer = await add_turn(conversation, "word " * LONG_TEXT)
    page = OpenPage(user=ada, conversation_id=conversation.pk)
    await page.begin("")
    first = await page.next_frame()
    assert first and f'id="message-{user.pk}"' in first and str(answer.pk) not in first
    return page, user, answer


async def rest_of(page: OpenPage) -> str:
    frames = []
    while frame := await page.next_frame():
        frames.append(frame)
    return "".join(frames)


async def test_no_message_is_lost_when_the_conversation_changes_in_between(ada, conversation):
    page, user, answer = await half_sent(ada, conversation)

    page.conversation_changed()
    rest = await rest_of(page)

    assert rest.count(f'<article id="message-{answer.pk}"') == 1
    assert f'<article id="message-{user.pk}"' not in rest


async def test_only_what_was_sent_is_taken_back_when_the_turn_is_undone(ada, conversation):
    page, user, answer = await half_sent(ada, conversation)
    prompt_id, answer_id = user.pk, answer.pk
    conversation.leaf = None
    await conversation.asave()
    await user.adelete()

    page.conversation_changed()
    rest = await rest_of(page)

    assert f'<article id="message-{prompt_id}" hx-swap-oob="delete">' in rest
    assert str(answer_id) not in rest
