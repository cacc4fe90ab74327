"""How the answers shall be: of one chat, and of all chats of a person. In a dialog, or as a page."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from accounts.access import must_generate
from chat import access, answers
from chat.models import Conversation, ConversationSettings, NearSettings, PersonSettings
from chat.turns import MAX_PROMPT_CHARACTERS, usable_model
from chat.views import HtmxHttpRequest, uuid_of
from models_app import catalog
from models_app.answer_form import HELP, LABELS, AnswerForm
from models_app.answering import ANSWERING
from models_app.models import CatalogEntry

PANEL = "panel-body"
FIELDS = (*ANSWERING, "no_system_prompt")
Settings = TypeVar("Settings", bound=NearSettings)


class NearForm(AnswerForm[Settings]):
    def clean(self) -> dict[str, Any] | None:
        values = super().clean() or self.cleaned_data
        if values.get("no_system_prompt") and values.get("system_prompt"):
            self.add_error("system_prompt", "Leave this empty, or switch off “No system prompt”.")
        return values


class ChatForm(NearForm[ConversationSettings]):
    class Meta:
        model = ConversationSettings
        fields = FIELDS
        labels = LABELS
        help_texts = HELP


class PersonForm(NearForm[PersonSettings]):
    class Meta:
        model = PersonSettings
        fields = FIELDS
        labels = LABELS
        help_texts = HELP


@require_http_methods(["GET", "POST"])
def chat_settings(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    conversation = access.get_conversation(request.user, conversation_id)
    entry = _model_of(conversation)
    form = ChatForm(
        _posted(request),
        instance=answers.settings_of_chat(conversation),
        behind=answers.behind_chat(conversation, entry),
    )
    url = reverse("chat:conversation", args=[conversation.pk])
    context = {"title": "Answers in this chat", "conversation": conversation, "back": url}
    return _handled(request, form, context | {"entry": entry})


@require_http_methods(["GET", "POST"])
def new_chat_settings(request: HtmxHttpRequest) -> HttpResponse:
    """Of a chat without a message. It begins when they are saved, with its model and what was typed."""
    must_generate(request.user)
    chosen = usable_model(request.user, uuid_of(request.GET.get("model", "")))
    conversation = Conversation(owner=request.user, model=chosen)
    entry = _model_of(conversation)
    form = ChatForm(
        _posted(request),
        instance=ConversationSettings(conversation=conversation),
        behind=answers.behind_chat(conversation, entry),
    )
    if request.method == "POST" and form.is_valid():
        return _begun(request, form)
    context = {"title": "Answers in this chat", "conversation": conversation, "back": "/"}
    return _handled(request, form, context | {"entry": entry, "is_new": True})


@require_http_methods(["GET", "POST"])
def own_settings(request: HtmxHttpRequest) -> HttpResponse:
    entry = catalog.default_entry(request.user)
    form = PersonForm(
        _posted(request),
        instance=answers.settings_of_person(request.user),
        behind=answers.behind_person(entry),
    )
    return _handled(request, form, {"title": "Answers in all your chats", "back": "/"})


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _handled(
    request: HtmxHttpRequest,
    form: ChatForm | PersonForm,
    context: dict[str, object],
) -> HttpResponse:
    is_panel = request.htmx.target == PANEL
    if request.method == "POST" and form.is_valid():
        form.save()
        return _saved(request, is_panel=is_panel, back=str(context["back"]))
    template = "components/_in_panel.html" if is_panel else "chat/settings.html"
    context |= {"form": form, "is_panel": is_panel, "body": "chat/_settings.html"}
    return render(request, template, context, status=422 if form.errors else 200)


def _begun(request: HtmxHttpRequest, form: ChatForm) -> HttpResponse:
    """With nothing set there is nothing to begin a chat for."""
    if not form.instance.own_values:
        return _saved(request, is_panel=request.htmx.target == PANEL, back="/")
    conversation = form.instance.conversation
    conversation.draft = request.POST.get("text", "").replace("\x00", "")[:MAX_PROMPT_CHARACTERS]
    with transaction.atomic():
        conversation.save()
        form.save()
    url = reverse("chat:conversation", args=[conversation.pk])
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def _saved(request: HttpRequest, *, is_panel: bool, back: str) -> HttpResponse:
    text = "Saved, for the next answers."
    if not is_panel:
        messages.success(request, text)
        return redirect(back)
    response = trigger_client_event(HttpResponse(status=204), "panel-close", {})
    return trigger_client_event(response, "toast", {"text": text})


def _model_of(conversation: Conversation) -> CatalogEntry | None:
    """The one that would answer: settings of others are none of this person's business."""
    owner = conversation.owner
    return usable_model(owner, conversation.model_id) or catalog.default_entry(owner)
