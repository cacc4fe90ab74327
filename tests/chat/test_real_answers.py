"""The chat on the real inference service, a real runner and a real (scripted) model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from django.conf import settings

from accounts.models import User
from chat import recorder, turns
from chat.models import Conversation, Message, MessageState
from inference.client import InferenceClient
from inference.errors import GenerationNotFound
from models_app import catalog, engine
from models_app.models import CatalogEntry
from tests.chat.conftest import ANSWER, start, stored, until, until_settled
from tests.made_models import write_scripted_model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

LONG = "\n\n".join(f"Paragraph {number} of a long answer." for number in range(40))


@pytest.fixture(scope="module")
def service_socket() -> Iterator[Path]:
    """A service of these tests' own; it ends with them."""
    with tempfile.TemporaryDirectory(prefix="mnv-") as folder:
        socket = Path(folder) / "s.sock"
        command = ["--socket", socket, "--context-window", "2048", "--threads", "1"]
        process = subprocess.Popen([sys.executable, "-m", "inference", *map(str, command)])
        try:
            yield socket
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@pytest_asyncio.fixture
async def client(service_socket: Path, settings: Any) -> AsyncIterator[InferenceClient]:
    settings.INFERENCE_SOCKET = service_socket
    client = InferenceClient(service_socket, timeout=20)
    await client.status()
    yield client


@pytest.fixture(scope="module")
def slow_file() -> Path:
    """Slow enough that something can happen in mid-answer."""
    path = settings.MODEL_DIRS[0] / "slow.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_scripted_model(path, LONG, layers=8, width=512)


@pytest.fixture
def slow(conversation: Conversation, slow_file: Path) -> Conversation:
    """The conversation, with the slow model."""
    catalog.scan()
    conversation.model = CatalogEntry.objects.get(path=str(slow_file))
    conversation.save()
    return conversation


async def in_mid_answer(message_id: UUID) -> str:
    """What is there once two paragraphs are; the rest takes a second or more."""

    def has_two_paragraphs(_: Message) -> bool:
        live = recorder.live_answer(message_id)
        return live is not None and "Paragraph 2 " in live.text

    await until(has_two_paragraphs, message_id)
    live = recorder.live_answer(message_id)
    assert live
    return live.text


async def test_the_known_text_is_stored_with_its_statistics(
    ada: User, conversation: Conversation, client: InferenceClient
) -> None:
    turn = await start(ada, conversation)

    answer = await until_settled(turn.answer.pk)

    assert (answer.text, answer.state, answer.finish_reason) == (ANSWER, MessageState.DONE, "stop")
    assert answer.prompt_tokens > 0
    assert answer.completion_tokens > 1
    assert answer.time_to_first_token is not None
    assert answer.total_seconds is not None
    assert answer.total_seconds >= answer.time_to_first_token


async def test_a_prompt_beyond_the_context_window_goes_back_to_the_composer(
    ada: User, conversation: Conversation, client: InferenceClient
) -> None:
    text = "word " * 2000

    await start(ada, conversation, text.strip())

    while await Message.objects.aexists():
        pass
    kept = await Conversation.objects.aget()
    assert kept.draft == text.strip()
    assert "2,048" in kept.refusal


async def test_stop_ends_a_real_answer_and_the_next_one_works(
    ada: User, slow: Conversation, client: InferenceClient
) -> None:
    turn = await start(ada, slow)
    await in_mid_answer(turn.answer.pk)

    await turns.stop(turn.answer)
    stopped = await until_settled(turn.answer.pk)
    again = await turns.retry(answer=stopped, user=ada)
    answer = await until_settled(again.answer.pk)

    assert stopped.state == MessageState.STOPPED
    assert LONG.startswith(stopped.text)
    assert len(stopped.text) < len(LONG)
    assert (answer.text, answer.state) == (LONG, MessageState.DONE)


async def test_a_killed_runner_leaves_the_text_and_retry_works(
    ada: User, slow: Conversation, client: InferenceClient
) -> None:
    turn = await start(ada, slow)
    partial = await in_mid_answer(turn.answer.pk)
    (model,) = [m for m in (await client.status()).models if m.num_running]

    os.kill(model.runner_pid, signal.SIGKILL)
    broken = await until_settled(turn.answer.pk)
    again = await turns.retry(answer=broken, user=ada)
    answer = await until_settled(again.answer.pk)

    assert broken.state == MessageState.INTERRUPTED
    assert broken.text.startswith(partial)
    assert LONG.startswith(broken.text)
    assert broken.error_message
    assert (answer.text, answer.state) == (LONG, MessageState.DONE)


async def test_an_answer_outlives_its_recorder_and_is_stored_whole(
    ada: User, slow: Conversation, client: InferenceClient
) -> None:
    turn = await start(ada, slow)
    await in_mid_answer(turn.answer.pk)

    await recorder.close()
    assert (await stored(turn.answer.pk)).is_running
    await turns.reconcile()

    answer = await until_settled(turn.answer.pk)
    assert (answer.text, answer.state) == (LONG, MessageState.DONE)


async def test_what_is_stored_is_forgotten_by_the_service(
    ada: User, conversation: Conversation, client: InferenceClient
) -> None:
    turn = await start(ada, conversation)
    await until_settled(turn.answer.pk)
    while recorder.live_answer(turn.answer.pk):
        await until(lambda _: True, turn.answer.pk)

    with pytest.raises(GenerationNotFound):
        async for _ in client.attach(str(turn.answer.pk)):
            pass


async def test_the_longest_prompt_that_may_be_sent_reaches_the_service(
    ada: User, conversation: Conversation, client: InferenceClient
) -> None:
    """It does not fit the window of this model, but the refusal is about tokens, not bytes."""
    await start(ada, conversation, "ä" * turns.MAX_PROMPT_CHARACTERS)

    while await Message.objects.aexists():
        pass
    assert "context window" in (await Conversation.objects.aget()).refusal


async def test_without_a_service_the_answer_fails_and_retry_is_offered(
    ada: User,
    conversation: Conversation,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    client = InferenceClient(tmp_path / "nobody.sock", timeout=0.2)
    monkeypatch.setattr(engine, "inference_client", lambda: client)

    turn = await start(ada, conversation)

    answer = await until_settled(turn.answer.pk)
    assert (answer.state, answer.error_code) == (MessageState.INTERRUPTED, "service_unavailable")
    assert await Message.objects.filter(role="user").aexists()
