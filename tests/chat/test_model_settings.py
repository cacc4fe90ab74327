"""A chat with a model that has settings of its own."""

from __future__ import annotations

import pytest

from inference.types import ChatMessage, SamplingParams
from models_app.tuning import ModelSettings
from tests.chat.conftest import start, until_settled
from tests.chat.scripted_client import DONE, deltas

pytestmark = pytest.mark.django_db(transaction=True)


async def test_it_gets_its_system_prompt_first_and_is_sampled_its_way(
    ada, conversation, entry, inference
):
    await ModelSettings.objects.acreate(
        entry=entry, system_prompt="Be an owl.", temperature=0.25, context_window=512
    )
    turn = await start(ada, conversation, "Why?")
    await inference.say(turn.answer.pk, *deltas("Who?"), DONE)
    await until_settled(turn.answer.pk)
    await start(ada, conversation, "And now?")

    request = inference.requests[-1]
    assert request.messages == (
        ChatMessage("system", "Be an owl."),
        ChatMessage("user", "Why?"),
        ChatMessage("assistant", "Who?"),
        ChatMessage("user", "And now?"),
    )
    assert request.sampling == SamplingParams(temperature=0.25)
    assert request.model.context_window == 512


async def test_without_settings_it_gets_what_everybody_gets(ada, conversation, inference):
    await start(ada, conversation, "Why?")

    request = inference.requests[-1]
    assert request.messages == (ChatMessage("user", "Why?"),)
    assert request.sampling == SamplingParams()
