"""What programs call. `api.middleware` leads here; pages for people are in `api.page_urls`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from api.anthropic import count_tokens, messages
from api.chat import chat_completions
from api.completions import completions
from api.embeddings import embeddings
from api.endpoints import endpoint
from api.model_list import get_model, list_models, load_model, unload_model
from api.openapi import openapi
from api.responses import responses
from api.resuming import read_stream, resumable
from api.state_views import health, metrics, stats
from api.tokens import detokenize, tokenize

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/models", endpoint("models", GET=list_models)),
    path("v1/models/<path:model>/load", endpoint("load", POST=load_model)),
    path("v1/models/<path:model>/unload", endpoint("unload", POST=unload_model)),
    path("v1/models/<path:model>", endpoint("model", GET=get_model)),
    path("v1/chat/completions", endpoint("chat", POST=resumable(chat_completions))),
    path("v1/completions", endpoint("completions", POST=resumable(completions))),
    path("v1/messages", endpoint("messages", POST=resumable(messages))),
    path("v1/messages/count_tokens", endpoint("count_tokens", POST=count_tokens)),
    path("v1/responses", endpoint("responses", POST=resumable(responses))),
    path("v1/streams/<str:stream_id>", endpoint("stream", GET=read_stream)),
    path("v1/embeddings", endpoint("embeddings", POST=embeddings)),
    path("v1/health", endpoint("health", needs_key=False, GET=health)),
    path("v1/stats", endpoint("stats", GET=stats)),
    path("metrics", endpoint("metrics", GET=metrics)),
    path("openapi.json", endpoint("openapi", needs_key=False, GET=openapi)),
    path("tokenize", endpoint("tokenize", POST=tokenize)),
    path("detokenize", endpoint("detokenize", POST=detokenize)),
]
