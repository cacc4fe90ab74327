"""What happens to running answers when the web process ends and another one starts."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from chat import recorder, turns
from chat.models import MessageState
from tests.chat.conftest import start, stored, until, until_settled, until_state
from tests.chat.scripted_client import DONE, deltas

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_web_process_that_ends_stores_what_it_has(ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *deltas("One "))
    await until_state(turn.answer.pk, MessageState.STREAMING)
    await inference.say(turn.answer.pk, *deltas("two ", first=2))

    await recorder.close()

    answer = await stored(turn.answer.pk)
    assert answer.is_running
    assert answer.text in ("One ", "One two ")


async def test_an_answer_that_still_runs_is_taken_up_and_is_the_uninterrupted_one(
    ada, conversation, inference
):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *deltas("One ", "two "))
    await until_state(turn.answer.pk, MessageState.STREAMING)
    await recorder.close()
    await inference.say(turn.answer.pk, *deltas("three ", first=3))

    await turns.reconcile()
    await inference.say(turn.answer.pk, *deltas("four.", first=4), DONE)

    answer = await until_settled(turn.answer.pk)
    assert (answer.text, answer.state) == ("One two three four.", MessageState.DONE)


async def test_an_answer_that_ended_meanwhile_is_stored_with_its_end(ada, conversation, inference):
    turn = await start(ada, conversation)
    await recorder.close()
    await inference.say(turn.answer.pk, *deltas("All of it."), DONE)

    await turns.reconcile()

    answer = await until_settled(turn.answer.pk)
    assert (answer.text, answer.state) == ("All of it.", MessageState.DONE)


async def test_an_answer_nobody_knows_any_more_is_interrupted_with_its_text(
    conversation, said, inference
):
    answer = await sync_to_async(said)("assistant", "So far", state=MessageState.STREAMING)

    await turns.reconcile()

    answer = await until_settled(answer.pk)
    assert (answer.text, answer.state) == ("So far", MessageState.INTERRUPTED)
    assert "Try again" in answer.error_message


async def test_nothing_that_was_stored_is_replaced_by_less_while_the_log_is_replayed(
    ada, conversation, said, inference
):
    answer = await sync_to_async(said)("assistant", "One two ", state=MessageState.STREAMING)
    await inference.say(answer.pk, *deltas("One "))

    await turns.reconcile()
    await until(lambda _: bool(inference.num_attached), answer.pk)
    live = recorder.live_answer(answer.pk)

    assert live
    assert live.text == "One two "
    assert (await stored(answer.pk)).text == "One two "


async def test_reconciling_twice_records_once(ada, conversation, inference):
    turn = await start(ada, conversation)
    await until(lambda _: bool(inference.num_attached), turn.answer.pk)

    await turns.reconcile()
    await inference.say(turn.answer.pk, *deltas("Once."), DONE)
    await until_settled(turn.answer.pk)

    assert inference.num_attached == 1
