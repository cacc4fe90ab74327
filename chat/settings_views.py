"""How the answers shall be: of one chat, and of all chats of a person. In a dialog, or as a page."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.http import trigger_client_event

from chat import access, answers
from chat.models import Conversation, ConversationSettings, PersonSettings
from chat.views import HtmxHttpRequest
from models_app import catalog
from models_app.answer_form import AnswerForm
from models_app.answering import ANSWERING
from models_app.models import CatalogEntry

PANEL = "panel-body"


class ChatForm(AnswerForm[ConversationSettings]):
    class Meta:
        model = ConversationSettings
        fields = ANSWERING


class PersonForm(AnswerForm[PersonSettings]):
    class Meta:
        model = PersonSettings
        fields = ANSWERING


@require_http_methods(["GET", "POST"])
def chat_settings(request: HtmxHttpRequest, conversation_id: UUID) -> HttpResponse:
    conversation = access.get_conversation(request.user, conversation_id)
    entry = _model_of(conversation)
    form = ChatForm(
        _posted(request),
        instance=answers.settings_of_chat(conversation),
        behind=answers.behind_chat(conversation, entry) if entry else answers.behind_person(None),
    )
    url = reverse("chat:conversation", args=[conversation.pk])
    context = {"title": "Answers in this chat", "conversation": conversation, "back": url}
    return _handled(request, form, context | {"entry": entry})


@require_http_methods(["GET", "POST"])
def own_settings(request: HtmxHttpRequest) -> HttpResponse:
    entry = catalog.default_entry()
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


def _saved(request: HttpRequest, *, is_panel: bool, back: str) -> HttpResponse:
    text = "Saved, for the next answers."
    if not is_panel:
        messages.success(request, text)
        return redirect(back)
    response = trigger_client_event(HttpResponse(status=204), "panel-close", {})
    return trigger_client_event(response, "toast", {"text": text})


def _model_of(conversation: Conversation) -> CatalogEntry | None:
    chosen = conversation.model
    return chosen if chosen and chosen.is_for_chat else catalog.default_entry()
