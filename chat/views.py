"""The pages and forms of the chat. Everything that changes something is a POST.

What an open page shows of a conversation arrives by its socket alone; the answer to a POST only
says whether it was taken, so that no message can appear twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import Truncator
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import (
    HttpResponseClientRefresh,
    HttpResponseLocation,
    push_url,
    reswap,
    trigger_client_event,
)
from django_htmx.middleware import HtmxDetails

from accounts.htmx import shown_page
from accounts.models import User
from chat import access, pages, picker, sidebar, transcript, turns
from chat.models import Conversation
from chat.suggestions import GUIDE_SUGGESTIONS, MODEL_SUGGESTIONS
from chat.turns import Prompt, TurnRefused
from inference.errors import InferenceError
from models_app import catalog

MAX_TITLE = 200
MAX_TOAST_TITLE = 40
CHATS_CHANGED = "chats-changed"


class HtmxHttpRequest(HttpRequest):
    htmx: HtmxDetails
    user: User


@require_GET
async def home(request: HtmxHttpRequest) -> HttpResponse:
    context = await _new_chat(await _user(request)) | {"models_folder": catalog.own_folder()}
    return await _render(request, "chat/home.html", context)


@require_GET
def waiting_for_model(request: HtmxHttpRequest) -> HttpResponse:
    """Asked by the page that says where to put a model; loads it anew once there is one."""
    catalog.refresh()
    is_there = catalog.default_entry(request.user) is not None
    return HttpResponseClientRefresh() if is_there else HttpResponse(status=204)


@require_GET
async def conversation(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    found = await _conversation(request, conversation_id)
    return await _render(
        request, "chat/conversation.html", await _page_of(await _user(request), found)
    )


@require_POST
async def start(request: HtmxHttpRequest) -> HttpResponse:
    """The first message of a new chat: the page of that chat takes the place of the empty one."""
    try:
        turn = await turns.start_conversation(
            user=await _user(request),
            prompt=_prompt(request),
            model_id=uuid_of(request.POST.get("model", "")),
        )
    except TurnRefused as refusal:
        return await _refused(request, refusal)
    context = await _page_of(await _user(request), turn.conversation)
    response = await _render(request, "chat/_started.html", context)
    push_url(response, reverse("chat:conversation", args=[turn.conversation.pk]))
    return trigger_client_event(response, CHATS_CHANGED)


@require_POST
async def send(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    try:
        await turns.start(
            user=await _user(request), conversation_id=conversation_id, prompt=_prompt(request)
        )
    except TurnRefused as refusal:
        return await _refused(request, refusal)
    return _taken(chats_changed=True)


@require_POST
async def retry(request: HtmxHttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    user = await _user(request)
    answer = await sync_to_async(access.get_answer)(user, conversation_id, message_id)
    try:
        await turns.retry(answer=answer, user=user)
    except TurnRefused as refusal:
        return await _refused(request, refusal)
    return _taken()


@require_POST
async def stop(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    """404 when nothing is being generated; stopping twice is stopping once."""
    user = await _user(request)
    answer = await sync_to_async(access.get_running_answer)(user, conversation_id)
    try:
        await turns.stop(answer)
    except InferenceError as error:
        return _toast(_taken(), text=str(error), kind="bad")
    return _taken()


@require_POST
async def shorten(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    """The chat no longer fits, and is to go on without its oldest messages."""
    leave_out = sync_to_async(turns.leave_out_oldest)
    conversation = await leave_out(user=await _user(request), conversation_id=conversation_id)
    pages.conversation_changed(conversation.pk)
    return _toast(_taken(), text="The oldest messages will be left out. Send again.")


@require_GET
def source(request: HtmxHttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    """The Markdown of a message, for its copy button."""
    message = access.get_message(request.user, conversation_id, message_id)
    return HttpResponse(message.text, content_type="text/plain; charset=utf-8")


@require_GET
def draft(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    """The text of a prompt that was refused, on its way back to the composer."""
    found = access.get_conversation(request.user, conversation_id)
    return HttpResponse(found.draft, content_type="text/plain; charset=utf-8")


# -- the model of a chat --------------------------------------------------------------------------


@require_GET
async def model_state(request: HtmxHttpRequest) -> HttpResponse:
    """The label of the picker's button, as it is now."""
    user, chosen_id = await _user(request), uuid_of(request.GET.get("model", ""))
    shown = await picker.picker_for(user, chosen_id=chosen_id)
    return await _render(request, "chat/_model_label.html", {"picker": shown})


@require_GET
async def new_chat_model(request: HtmxHttpRequest) -> HttpResponse:
    """All of an empty chat that depends on the model: another one was chosen."""
    chosen_id = uuid_of(request.GET.get("model", ""))
    context = await _new_chat(await _user(request), chosen_id=chosen_id)
    return await _render(request, "chat/_new_chat_model.html", context)


@require_POST
async def choose_model(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    found = await _conversation(request, conversation_id)
    await sync_to_async(_choose)(found, uuid_of(request.POST.get("model", "")))
    context = {"picker": await picker.picker_for(await _user(request), found)}
    return await _render(request, "chat/_model_chosen.html", context)


async def _new_chat(user: User, *, chosen_id: UUID | None = None) -> dict[str, Any]:
    shown = await picker.picker_for(user, chosen_id=chosen_id)
    chosen = shown.chosen
    is_guide = chosen is not None and chosen.entry.is_guide
    return {"picker": shown, "suggestions": GUIDE_SUGGESTIONS if is_guide else MODEL_SUGGESTIONS}


def _choose(conversation: Conversation, model_id: UUID | None) -> None:
    conversation.model = turns.usable_model(conversation.owner, model_id)
    conversation.save(update_fields=["model"])


# -- the list of chats ----------------------------------------------------------------------------


@require_GET
def chats(request: HtmxHttpRequest) -> HttpResponse:
    """The list anew, or its next page."""
    older_than = _moment(request.GET.get("older_than", ""))
    shown = sidebar.page_of_chats(request.user, older_than=older_than)
    context = {"sidebar": shown, "after": request.GET.get("after"), "current": _shown_path(request)}
    return render(request, "chat/_chats.html", context)


@require_http_methods(["GET", "POST"])
def rename(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    """GET: the row as a form. POST: the row with its new title; an empty one changes nothing."""
    found = access.get_conversation(request.user, conversation_id)
    context = {"conversation": found, "current": _shown_path(request)}
    if request.method != "POST":
        is_form = "cancel" not in request.GET
        return render(request, f"chat/_{'rename' if is_form else 'chat_row'}.html", context)
    if title := " ".join(request.POST.get("title", "").split())[:MAX_TITLE]:
        found.title = title
        found.save(update_fields=["title"])
    return render(request, "chat/_chat_row.html", context)


@require_POST
async def delete(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    """It leaves the list at once and can come back for 30 days; what it was writing is stopped."""
    found = await _conversation(request, conversation_id)
    await sync_to_async(_set_deleted)(found, is_deleted=True)
    await _stop_quietly(found)
    pages.conversation_changed(found.pk)
    undo_url = reverse("chat:undelete", args=[found.pk])
    response = _after_deletion(request, found)
    trigger_client_event(response, CHATS_CHANGED)
    title = Truncator(str(found)).chars(MAX_TOAST_TITLE)
    return _toast(response, text=f"“{title}” was deleted.", undo_url=undo_url)


@require_POST
def undelete(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    found = access.get_deleted_conversation(request.user, conversation_id)
    _set_deleted(found, is_deleted=False)
    return _taken(chats_changed=True)


def _set_deleted(conversation: Conversation, *, is_deleted: bool) -> None:
    conversation.deleted_at = timezone.now() if is_deleted else None
    conversation.save(update_fields=["deleted_at"])


async def _stop_quietly(conversation: Conversation) -> None:
    async for answer in conversation.messages.running():
        try:
            await turns.stop(answer)
        except InferenceError:
            return  # nothing runs where nobody answers


def _after_deletion(request: HtmxHttpRequest, conversation: Conversation) -> HttpResponse:
    """Whoever looks at the deleted chat gets a new one."""
    if _shown_path(request) != reverse("chat:conversation", args=[conversation.pk]):
        return HttpResponse(status=204)
    part = ".shell-page"  # with the header bar, whose model picker belongs to the chat
    return HttpResponseLocation("/", target=part, select=f"{part} > *", swap="innerHTML")


# -- what all of them use -------------------------------------------------------------------------


async def _user(request: HtmxHttpRequest) -> User:
    user = await request.auser()
    if not isinstance(user, User):
        raise PermissionDenied
    return user


async def _conversation(request: HtmxHttpRequest, conversation_id: UUID) -> Conversation:
    return await sync_to_async(access.get_conversation)(await _user(request), conversation_id)


async def _page_of(user: User, conversation: Conversation) -> dict[str, Any]:
    path = await sync_to_async(transcript.path_of)(conversation)
    return {
        "conversation": conversation,
        "path": path,
        "running": path[-1] if path and path[-1].is_running else None,
        "version": transcript.version_of(conversation, path),
        "picker": await picker.picker_for(user, conversation),
    }


async def _render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """Templates read the database, and long answers take their time: not on the event loop."""
    return await sync_to_async(render)(request, template, context)


async def _refused(request: HttpRequest, refusal: TurnRefused) -> HttpResponse:
    response = await _render(request, "chat/_refused.html", {"error": str(refusal)})
    response.status_code = 422
    return reswap(response, "none")


def _taken(*, chats_changed: bool = False) -> HttpResponse:
    response = HttpResponse(status=204)
    return trigger_client_event(response, CHATS_CHANGED) if chats_changed else response


def _toast(response: HttpResponse, **toast: str) -> HttpResponse:
    return trigger_client_event(response, "toast", toast)


def _prompt(request: HttpRequest) -> Prompt:
    return Prompt.parse(request.POST.get("text", ""), request.POST.get("client_id", ""))


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    """In UTC; None for what is none, also at the ends of the calendar, where UTC has another year."""
    try:
        moment = parse_datetime(text)
        return moment.astimezone(UTC) if moment and timezone.is_aware(moment) else None
    except (ValueError, OverflowError):
        return None


def _shown_path(request: HtmxHttpRequest) -> str:
    """The path of the page that the request came from."""
    return shown_page(request).split("?")[0]
