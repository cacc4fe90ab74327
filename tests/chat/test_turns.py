from __future__ import annotations

import asyncio
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from chat import settling, turns, wording
from chat.models import Conversation, Message, MessageState
from chat.turns import MAX_PROMPT_CHARACTERS, Prompt, TurnRefused
from inference.errors import ContextWindowExceeded, Overloaded
from inference.types import ChatMessage, Loading, Prefill, Queued, Shortened
from models_app.models import CatalogEntry
from tests.chat.conftest import start, stored, until, until_settled, until_state
from tests.chat.scripted_client import CANCELLED, DONE, crashed, deltas, failed, thoughts

pytestmark = pytest.mark.django_db(transaction=True)


async def test_the_prompt_is_stored_before_anything_is_generated(ada, conversation, inference):
    turn = await start(ada, conversation, "Why is the sky blue?")

    prompt = await Message.objects.aget(children=turn.answer)
    assert prompt.text == "Why is the sky blue?"
    assert turn.answer.state == MessageState.QUEUED
    assert (await Conversation.objects.aget()).leaf_id == turn.answer.pk


async def test_the_answer_is_stored_when_it_has_ended(ada, conversation, inference):
    turn = await start(ada, conversation)

    await inference.say(turn.answer.pk, Queued(1), Loading(0.5), Prefill(3, 7))
    await inference.say(turn.answer.pk, *deltas("One ", "two ", "three."), DONE)

    answer = await until_settled(turn.answer.pk)
    assert (answer.text, answer.state) == ("One two three.", MessageState.DONE)
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 3)
    assert (answer.time_to_first_token, answer.total_seconds) == (0.5, 1.5)
    assert inference.forgotten == [str(answer.pk)]


async def test_what_is_there_is_stored_while_it_is_still_written(ada, conversation, inference):
    turn = await start(ada, conversation)

    await inference.say(turn.answer.pk, *deltas("Half an "))

    answer = await until_state(turn.answer.pk, MessageState.STREAMING)
    assert answer.text == "Half an "


async def test_the_same_client_id_twice_is_one_message(ada, conversation, inference):
    prompt = Prompt("Once", uuid4())

    turn = await turns.start(user=ada, conversation_id=conversation.pk, prompt=prompt)
    again = await turns.start(user=ada, conversation_id=conversation.pk, prompt=prompt)

    assert again.answer.pk == turn.answer.pk
    assert await Message.objects.acount() == 2
    assert len(inference.requests) == 1


async def test_the_same_first_message_twice_is_one_conversation(ada, entry, inference):
    prompt = Prompt("Once", uuid4())

    for _ in range(2):
        await turns.start_conversation(user=ada, prompt=prompt, model_id=entry.pk)

    assert await Conversation.objects.acount() == 1
    assert await Message.objects.acount() == 2


async def test_a_first_message_sent_again_brings_its_deleted_chat_back(ada, entry, inference):
    prompt = Prompt("Once", uuid4())
    await turns.start_conversation(user=ada, prompt=prompt, model_id=None)
    await Conversation.objects.aupdate(deleted_at=timezone.now())

    await turns.start_conversation(user=ada, prompt=prompt, model_id=None)

    assert (await Conversation.objects.aget()).deleted_at is None
    assert await Message.objects.acount() == 2


async def test_the_same_client_id_of_two_people_is_two_conversations(ada, grace, entry, inference):
    prompt = Prompt("Ours", uuid4())

    for user in (ada, grace):
        await turns.start_conversation(user=user, prompt=prompt, model_id=None)

    assert await Conversation.objects.acount() == 2


async def test_a_second_prompt_is_refused_while_an_answer_is_written(ada, conversation, inference):
    await start(ada, conversation)

    with pytest.raises(TurnRefused, match="still being written"):
        await start(ada, conversation)

    assert await Message.objects.acount() == 2


async def test_the_title_is_the_first_line_of_the_first_prompt(ada, entry, inference):
    prompt = Prompt("Trees in winter\nWhich ones keep their leaves?", uuid4())

    turn = await turns.start_conversation(user=ada, prompt=prompt, model_id=None)

    assert turn.conversation.title == "Trees in winter"


async def test_a_long_first_line_becomes_a_title_that_says_it_was_cut(ada, entry, inference):
    prompt = Prompt("x" * 500, uuid4())

    turn = await turns.start_conversation(user=ada, prompt=prompt, model_id=None)

    assert turn.conversation.title == "x" * 79 + "…"


@pytest.mark.parametrize("length", [1, MAX_PROMPT_CHARACTERS - 1, MAX_PROMPT_CHARACTERS])
def test_a_prompt_up_to_the_limit_is_taken(length):
    assert len(Prompt.parse("x" * length, str(uuid4())).text) == length


@pytest.mark.parametrize("length", [MAX_PROMPT_CHARACTERS + 1, 10 * MAX_PROMPT_CHARACTERS])
def test_a_prompt_above_the_limit_is_refused_with_both_numbers(length):
    with pytest.raises(TurnRefused, match=rf"{length:,} characters, and 200,000"):
        Prompt.parse("x" * length, str(uuid4()))


@pytest.mark.parametrize("text", ["", "   ", "\n\t\n", "\x00"])
def test_a_blank_prompt_is_refused(text):
    with pytest.raises(TurnRefused, match="Write a message"):
        Prompt.parse(text, str(uuid4()))


@pytest.mark.parametrize("client_id", ["", "1", "not-an-id", "x" * 100_000])
def test_a_wrong_client_id_is_refused(client_id):
    with pytest.raises(TurnRefused, match="Reload"):
        Prompt.parse("Hello", client_id)


async def test_a_full_chat_takes_no_more(ada, conversation, inference, monkeypatch):
    monkeypatch.setattr(turns, "MAX_MESSAGES", 3)
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, DONE)
    await until_settled(turn.answer.pk)

    with pytest.raises(TurnRefused, match="full"):
        await start(ada, conversation)


async def test_without_a_model_nothing_is_stored(ada, conversation, entry, inference):
    await CatalogEntry.objects.aupdate(problem="broken")

    with pytest.raises(TurnRefused, match="no model"):
        await start(ada, conversation)

    assert await Message.objects.acount() == 0


async def test_the_model_reads_the_path_and_not_the_empty_answers(
    ada, conversation, said, inference
):
    said_before = [
        ("user", "First", {}),
        ("assistant", "", {"state": MessageState.FAILED}),
        ("user", "Second", {}),
        ("assistant", "Answer", {}),
    ]
    for role, text, fields in said_before:
        await sync_to_async(said)(role, text, **fields)

    await start(ada, conversation, "Third")

    assert inference.requests[0].messages == (
        ChatMessage("user", "First\n\nSecond"),
        ChatMessage("assistant", "Answer"),
        ChatMessage("user", "Third"),
    )


async def test_a_prompt_beyond_the_context_window_undoes_its_turn(ada, conversation, inference):
    turn = await start(ada, conversation, "A very long text")
    error = ContextWindowExceeded.of(prompt_tokens=9000, context_window=2048)

    await inference.say(turn.answer.pk, Queued(1), failed(error))

    while await Message.objects.aexists():
        pass
    kept = await Conversation.objects.aget()
    assert (kept.leaf_id, kept.draft) == (None, "A very long text")
    assert "9,000" in kept.refusal
    assert "2,048" in kept.refusal


async def test_a_refused_prompt_leaves_the_turns_before_it(ada, conversation, inference):
    first = await start(ada, conversation, "Short")
    await inference.say(first.answer.pk, *deltas("Yes."), DONE)
    await until_settled(first.answer.pk)
    second = await start(ada, conversation, "Long")

    await inference.say(
        second.answer.pk,
        failed(ContextWindowExceeded.of(prompt_tokens=9000, context_window=2048)),
    )

    while await Message.objects.filter(pk=second.answer.pk).aexists():
        pass
    assert (await Conversation.objects.aget()).leaf_id == first.answer.pk
    assert await Message.objects.acount() == 2


async def test_the_next_prompt_clears_draft_and_refusal(ada, conversation, inference):
    await Conversation.objects.aupdate(draft="Long", refusal="Too long")

    await start(ada, conversation, "Short")

    kept = await Conversation.objects.aget()
    assert (kept.draft, kept.refusal) == ("", "")


async def test_a_retry_keeps_draft_and_refusal(ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, CANCELLED)
    answer = await until_settled(turn.answer.pk)
    await Conversation.objects.aupdate(draft="Long", refusal="Too long", was_too_long=True)

    await turns.retry(answer=answer, user=ada)

    kept = await Conversation.objects.aget()
    assert (kept.draft, kept.refusal, kept.was_too_long) == ("Long", "Too long", True)


async def test_a_model_that_dies_leaves_the_text_and_says_so(ada, conversation, inference):
    turn = await start(ada, conversation)

    await inference.say(turn.answer.pk, *deltas("So far "), crashed())

    answer = await until_settled(turn.answer.pk)
    assert (answer.text, answer.state) == ("So far ", MessageState.INTERRUPTED)
    assert answer.error_message == "The model stopped unexpectedly."


async def test_a_service_that_dies_leaves_the_text_and_says_so(ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *deltas("So far "))
    await until_state(turn.answer.pk, MessageState.STREAMING)

    await inference.die()

    answer = await until_settled(turn.answer.pk)
    assert (answer.text, answer.state) == ("So far ", MessageState.INTERRUPTED)
    assert answer.error_message


async def test_a_connection_that_breaks_is_made_again(ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *deltas("One "))
    await until_state(turn.answer.pk, MessageState.STREAMING)

    await inference.drop_connections()
    await inference.say(turn.answer.pk, *deltas("two.", first=2), DONE)

    answer = await until_settled(turn.answer.pk)
    assert (answer.text, answer.state) == ("One two.", MessageState.DONE)


async def test_a_full_queue_fails_the_answer_and_keeps_the_prompt(ada, conversation, inference):
    inference.refuses_with = Overloaded("Too many answers are waiting. Try again in a moment.")

    turn = await start(ada, conversation, "Kept")

    answer = await until_settled(turn.answer.pk)
    assert (answer.state, answer.error_code) == (MessageState.FAILED, "overloaded")
    assert await Message.objects.filter(text="Kept").aexists()


async def test_a_browser_that_goes_away_does_not_leave_an_answer_that_never_begins(
    ada, conversation, inference, monkeypatch
):
    committed, goes_on = threading.Event(), threading.Event()
    next_turn = turns._next_turn

    def held_after_commit(**arguments: Any) -> turns.Turn:
        turn = next_turn(**arguments)
        committed.set()
        goes_on.wait(10)
        return turn

    monkeypatch.setattr(turns, "_next_turn", held_after_commit)
    sending = asyncio.create_task(start(ada, conversation))
    await asyncio.to_thread(committed.wait, 10)

    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    goes_on.set()

    answer = await Message.objects.aget(role="assistant")
    await until(lambda _: bool(inference.requests), answer.pk)


async def test_stop_keeps_the_text(ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *deltas("Enough "))
    await until_state(turn.answer.pk, MessageState.STREAMING)

    await turns.stop(turn.answer)

    answer = await until_settled(turn.answer.pk)
    assert (answer.text, answer.state) == ("Enough ", MessageState.STOPPED)


async def test_retry_answers_the_same_prompt_anew(ada, conversation, inference):
    turn = await start(ada, conversation, "Again?")
    await inference.say(turn.answer.pk, *deltas("Half"), crashed())
    answer = await until_settled(turn.answer.pk)

    again = await turns.retry(answer=answer, user=ada)

    assert again.answer.parent_id == answer.parent_id
    assert inference.requests[1].messages == (ChatMessage("user", "Again?"),)
    assert (await Conversation.objects.aget()).leaf_id == again.answer.pk
    assert (await stored(answer.pk)).text == "Half"


async def test_a_refused_retry_keeps_prompt_and_earlier_answer(ada, conversation, inference):
    turn = await start(ada, conversation, "Again?")
    await inference.say(turn.answer.pk, *deltas("Half"), crashed())
    answer = await until_settled(turn.answer.pk)
    again = await turns.retry(answer=answer, user=ada)

    error = ContextWindowExceeded.of(prompt_tokens=9000, context_window=2048)
    await inference.say(again.answer.pk, failed(error))

    assert (await until_settled(again.answer.pk)).state == MessageState.FAILED
    assert await Message.objects.acount() == 3


async def test_only_the_last_answer_can_be_tried_again(ada, conversation, inference):
    first = await start(ada, conversation)
    await inference.say(first.answer.pk, CANCELLED)
    await until_settled(first.answer.pk)
    second = await start(ada, conversation)
    await inference.say(second.answer.pk, DONE)
    await until_settled(second.answer.pk)

    with pytest.raises(TurnRefused, match="last answer"):
        await turns.retry(answer=await stored(first.answer.pk), user=ada)


async def test_a_settled_answer_never_changes_again(ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *deltas("The end."), DONE)
    await until_settled(turn.answer.pk)
    await sync_to_async(settling.checkpoint)(
        turn.answer.pk, state=MessageState.STREAMING, written=settling.Written("late")
    )
    ending = settling.Ending(MessageState.INTERRUPTED)
    await sync_to_async(settling.settle)(
        turn.answer.pk, written=settling.Written("later"), ending=ending
    )

    answer = await stored(turn.answer.pk)
    assert (answer.text, answer.state) == ("The end.", MessageState.DONE)


async def test_a_state_never_goes_back(ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *deltas("Text"))
    await until_state(turn.answer.pk, MessageState.STREAMING)

    await sync_to_async(settling.checkpoint)(
        turn.answer.pk, state=MessageState.LOADING, written=settling.Written("")
    )

    assert (await stored(turn.answer.pk)).text == "Text"


async def test_the_next_turn_does_not_get_to_read_what_the_model_thought(
    ada, conversation, inference
):
    first = await start(ada, conversation)
    await inference.say(first.answer.pk, *thoughts("Secret."), *deltas("Yes.", first=2), DONE)
    await until_settled(first.answer.pk)

    await start(ada, conversation)

    assert [message.content for message in inference.requests[-1].messages][1] == "Yes."


async def test_thoughts_without_an_answer_are_kept(ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *thoughts("Hm, so."), CANCELLED)

    answer = await until_settled(turn.answer.pk)

    assert (answer.reasoning, answer.text, answer.state) == ("Hm, so.", "", MessageState.STOPPED)


async def test_a_chat_that_is_too_long_can_go_on_without_its_beginning(
    ada, conversation, inference
):
    first = await start(ada, conversation)
    await inference.say(first.answer.pk, *deltas("Yes."), DONE)
    await until_settled(first.answer.pk)
    too_long = ContextWindowExceeded.of(prompt_tokens=9_000, context_window=8_192)
    refused = await start(ada, conversation, "And then?")
    await inference.say(refused.answer.pk, failed(too_long))
    await until_gone(refused.answer.pk)
    await conversation.arefresh_from_db()
    assert (conversation.was_too_long, conversation.draft) == (True, "And then?")

    await sync_to_async(turns.leave_out_oldest)(user=ada, conversation_id=conversation.pk)
    again = await start(ada, conversation, "And then?")
    await inference.say(again.answer.pk, Shortened(2), *deltas("Then."), DONE)
    answer = await until_settled(again.answer.pk)

    assert [request.overflow for request in inference.requests] == [
        "refuse",
        "refuse",
        "drop_oldest",
    ]
    assert answer.num_dropped == 2
    assert "2 earlier messages were left out" in wording.dropped_line(answer)


async def test_a_first_prompt_that_is_too_long_has_nothing_to_leave_out(
    ada, conversation, inference
):
    too_long = ContextWindowExceeded.of(prompt_tokens=9_000, context_window=8_192)
    refused = await start(ada, conversation)
    await inference.say(refused.answer.pk, failed(too_long))
    await until_gone(refused.answer.pk)

    await conversation.arefresh_from_db()
    assert not conversation.was_too_long


async def until_gone(message_id: UUID) -> None:
    async with asyncio.timeout(10):
        while await Message.objects.filter(pk=message_id).aexists():
            await asyncio.sleep(0.01)
