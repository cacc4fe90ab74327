"""Turns: a user message and the answer to it. Start one, try its answer again, stop it.

What a person typed is committed before anything is generated. Once it is committed the generation
is started too, even if the browser has gone in the meantime. A conversation has one running answer
at most. The functions that are not async are the database's part, each one transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from uuid import UUID, uuid5

from django.db import transaction
from django.utils import timezone

from accounts import background, usage
from accounts.access import must_generate
from accounts.database import in_database
from accounts.models import User
from chat import access, answers, pages, recorder, transcript
from chat.models import Conversation, Message, MessageState
from inference.types import GenerationRequest, ModelSpec
from models_app import catalog, engine, guide, routing
from models_app.models import CatalogEntry

MAX_PROMPT_CHARACTERS = 200_000
MAX_MESSAGES = 2_000
MAX_TITLE_CHARACTERS = 80
TURN_FIELDS = ("leaf", "title", "draft", "refusal", "was_too_long", "updated_at")


class TurnRefused(Exception):
    """Nothing was stored. `str` is the sentence for the person, who keeps the text."""


@dataclass(frozen=True)
class Prompt:
    """What the composer sent. `client_id` is the browser's: the same one twice is one message."""

    text: str
    client_id: UUID

    @classmethod
    def parse(cls, text: str, client_id: str) -> Prompt:
        text = text.replace("\r\n", "\n").replace("\x00", "").strip()
        if not text:
            raise TurnRefused("Write a message first.")
        if len(text) > MAX_PROMPT_CHARACTERS:
            raise TurnRefused(
                f"This message has {len(text):,} characters, and {MAX_PROMPT_CHARACTERS:,} "
                "can be sent at once. Shorten it."
            )
        try:
            return cls(text, UUID(client_id))
        except ValueError as exc:
            raise TurnRefused("The page is out of date. Reload it and send again.") from exc


@dataclass(frozen=True)
class Turn:
    """`request` None: it was started before, by the same client id."""

    conversation: Conversation
    answer: Message
    request: GenerationRequest | None


async def start(*, user: User, conversation_id: UUID, prompt: Prompt) -> Turn:
    """The next turn of a conversation that exists. Raises PermissionDenied for viewers, as the
    others here do."""
    must_generate(user)
    turn = in_database(_next_turn)(user=user, conversation_id=conversation_id, prompt=prompt)
    return await background.finish(_begin(turn), name="start turn")


async def start_conversation(*, user: User, prompt: Prompt, model_id: UUID | None) -> Turn:
    """The first turn, and with it the conversation."""
    must_generate(user)
    turn = in_database(_first_turn)(user=user, prompt=prompt, model_id=model_id)
    return await background.finish(_begin(turn), name="start conversation")


async def retry(*, answer: Message, user: User) -> Turn:
    """Another answer to the same prompt takes the place of one that did not come to its end."""
    must_generate(user)
    turn = in_database(_retried_turn)(answer=answer, user=user)
    return await background.finish(_begin(turn), name="retry")


async def stop(answer: Message) -> None:
    """End the generation; the recorder stores what came of it. Raises ServiceUnavailable."""
    await engine.inference_client().stop(str(answer.pk))


async def reconcile() -> None:
    """Take up what was running when the last web process ended. Called once, at start.

    A generation that still runs is recorded from its first event; one that the inference service
    does not know any more ends as interrupted, with its text.
    """
    for answer in await _running_answers():
        recorder.record(answer)


@in_database
def _running_answers() -> list[Message]:
    return list(Message.objects.running())


async def _begin(opening: Awaitable[Turn]) -> Turn:
    turn = await opening
    if turn.request:
        recorder.record(turn.answer, request=turn.request)
        pages.conversation_changed(turn.conversation.pk)
    return turn


def _first_turn(*, user: User, prompt: Prompt, model_id: UUID | None) -> Turn:
    entry = usable_model(user, model_id)
    with transaction.atomic():
        # The id follows from the client id: sent twice, it is still one conversation, and if it was
        # deleted in the meantime, it is wanted again.
        conversation, _ = Conversation.objects.update_or_create(
            pk=uuid5(prompt.client_id, str(user.pk)),
            owner=user,
            defaults={"deleted_at": None},
            create_defaults={"model": entry},
        )
        return _open_turn(conversation, prompt)


def _next_turn(*, user: User, conversation_id: UUID, prompt: Prompt) -> Turn:
    with transaction.atomic():
        return _open_turn(access.lock_conversation(user, conversation_id), prompt)


def _open_turn(conversation: Conversation, prompt: Prompt) -> Turn:
    if earlier := conversation.messages.filter(client_id=prompt.client_id).first():
        return Turn(conversation, earlier.children.order_by("created_at")[0], request=None)
    _refuse_if_spent(conversation.owner)
    messages = list(conversation.messages.all())
    _refuse_if_running(messages)
    if len(messages) + 2 > MAX_MESSAGES:
        raise TurnRefused(f"This chat is full ({MAX_MESSAGES:,} messages). Start a new chat.")
    entry = model_of(conversation)
    path = transcript.path_to(conversation.leaf_id, messages)
    message = Message.objects.create(
        conversation=conversation,
        parent=path[-1] if path else None,
        role=Message.Role.USER,
        text=prompt.text,
        client_id=prompt.client_id,
    )
    conversation.draft = conversation.refusal = ""
    conversation.was_too_long = False
    return _open_answer(conversation, [*path, message], entry)


def _retried_turn(*, answer: Message, user: User) -> Turn:
    with transaction.atomic():
        conversation = access.lock_conversation(user, answer.conversation_id)
        _refuse_if_spent(user)
        messages = list(conversation.messages.all())
        _refuse_if_running(messages)
        if conversation.leaf_id != answer.pk or len(messages) + 1 > MAX_MESSAGES:
            raise TurnRefused("Only the last answer of a chat can be tried again.")
        path = transcript.path_to(answer.parent_id, messages)
        return _open_answer(conversation, path, model_of(conversation))


def _open_answer(conversation: Conversation, path: list[Message], entry: CatalogEntry) -> Turn:
    answer = Message(
        conversation=conversation,
        parent=path[-1],
        role=Message.Role.ASSISTANT,
        state=MessageState.QUEUED,
        model_name=entry.name,
    )
    request = _request(conversation, answer, path, entry)
    answer.max_tokens = request.sampling.max_tokens
    answer.save(force_insert=True)
    conversation.leaf = answer
    conversation.title = conversation.title or _title_of(path[0].text)
    conversation.updated_at = timezone.now()
    conversation.save(update_fields=TURN_FIELDS)
    return Turn(conversation, answer, request)


def _request(
    conversation: Conversation, answer: Message, path: list[Message], entry: CatalogEntry
) -> GenerationRequest:
    is_guide = entry.is_guide
    answering = answers.answering_of(conversation, entry)
    return GenerationRequest(
        generation_id=str(answer.pk),
        model=_routed(entry, conversation.owner),
        messages=(
            transcript.last_turns(path, model_name=entry.name)
            if is_guide
            else transcript.history(path, system_prompt=answering.system_prompt)
        ),
        sampling=guide.SAMPLING if is_guide else answering.sampling,
        user=str(conversation.owner_id),
        overflow="drop_oldest" if conversation.drops_oldest else "refuse",
    )


def _routed(entry: CatalogEntry, user: User) -> ModelSpec:
    return routing.routed_spec(
        entry, routing.among(CatalogEntry.objects.for_chat().usable_by(user))
    )


def leave_out_oldest(*, user: User, conversation_id: UUID) -> Conversation:
    """From now on the chat goes on without its oldest turns where it does not fit."""
    with transaction.atomic():
        conversation = access.lock_conversation(user, conversation_id)
        conversation.drops_oldest = True
        conversation.refusal, conversation.was_too_long = "", False
        conversation.save(update_fields=["drops_oldest", "refusal", "was_too_long"])
    return conversation


def model_of(conversation: Conversation) -> CatalogEntry:
    """The chat's own model while its owner can and may use it, else the default one."""
    owner = conversation.owner
    usable = CatalogEntry.objects.for_chat().usable_by(owner).select_related("own")
    entry = usable.filter(conversation=conversation).first() or catalog.default_entry(owner)
    if entry is None and owner.is_staff:
        raise TurnRefused("There is no model yet. Put a GGUF file into the models folder.")
    if entry is None:
        raise TurnRefused("There is no model for you yet. Ask an administrator for one.")
    return entry


def usable_model(user: User, model_id: UUID | None) -> CatalogEntry | None:
    """The one of this id, if this person may chat with it."""
    if model_id is None:
        return None
    return CatalogEntry.objects.for_chat().usable_by(user).filter(pk=model_id).first()


@usage.counts_as_used
def _num_running(user: User) -> int:
    """Of all chats; the end of each is stored together with its record."""
    return Message.objects.running().filter(conversation__owner=user).count()


def _refuse_if_spent(user: User) -> None:
    try:
        usage.refuse_if_spent(user)
    except usage.QuotaSpent as spent:
        raise TurnRefused(str(spent)) from spent


def _refuse_if_running(messages: list[Message]) -> None:
    if any(message.is_running for message in messages):
        raise TurnRefused("An answer is still being written. Stop it, or wait for its end.")


def _title_of(text: str) -> str:
    line = text.strip().splitlines()[0].strip()
    return line if len(line) <= MAX_TITLE_CHARACTERS else line[: MAX_TITLE_CHARACTERS - 1] + "…"
