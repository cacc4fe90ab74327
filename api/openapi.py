"""GET /openapi.json: the API as an OpenAPI document, made from the types that requests are read into."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse

from api.anthropic_types import Countable, MessagesRequest
from api.chat import ChatRequest
from api.completions import CompletionRequest
from api.embeddings import EmbeddingsRequest
from api.response_types import ResponsesRequest
from api.serving import as_json
from api.tokens import DetokenizeRequest, TokenizeRequest

VERSION = "3.1.0"
REFS = "#/components/schemas/{name}"
POSTS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "/v1/chat/completions": ("Answer a conversation (OpenAI)", ChatRequest),
    "/v1/completions": ("Go on from a text (OpenAI)", CompletionRequest),
    "/v1/embeddings": ("Vectors of texts (OpenAI)", EmbeddingsRequest),
    "/v1/responses": ("Answer a conversation (OpenAI's responses)", ResponsesRequest),
    "/v1/messages": ("Answer a conversation (Anthropic)", MessagesRequest),
    "/v1/messages/count_tokens": ("How many tokens a conversation has (Anthropic)", Countable),
    "/tokenize": ("A text, or a conversation, in tokens", TokenizeRequest),
    "/detokenize": ("Tokens as text", DetokenizeRequest),
}
STREAMED = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages")
GETS = {
    "/v1/models": "The models that this key may use",
    "/v1/models/{model}": "One model",
    "/v1/streams/{stream_id}": "A stream from the event after `after` on",
    "/v1/stats": "What is loaded and busy",
    "/metrics": "The same, and counts, for Prometheus",
    "/v1/health": "Whether the server runs; needs no key",
}
COMMANDS = {
    "/v1/models/{model}/load": "Begin to load a model",
    "/v1/models/{model}/unload": "Take a model out of memory",
}
TYPES = {"/metrics": "text/plain", "/v1/streams/{stream_id}": "text/event-stream"}
STATUSES = (400, 401, 403, 404, 405, 409, 413, 415, 429, 499, 500, 503)


async def openapi(request: HttpRequest) -> HttpResponse:
    """Without a key: it says nothing about this server."""
    return as_json(document())


@cache
def document() -> dict[str, Any]:
    kinds = [kind for _, kind in POSTS.values()]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REFS)
    paths: dict[str, Any] = {}
    for (path, (summary, _)), schema in zip(POSTS.items(), schemas, strict=True):
        paths[path] = {"post": _post(path, summary, schema)}
    for path, summary in GETS.items():
        paths[path] = {"get": _operation(path, summary)}
    for path, summary in COMMANDS.items():
        paths[path] = {"post": _operation(path, summary, status="202")}
    return {
        "openapi": VERSION,
        "info": {"title": "Minerva", "version": "1", "description": DESCRIPTION},
        "security": [{"bearer": []}, {"x-api-key": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": ERROR},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


DESCRIPTION = (
    "What OpenAI's and Anthropic's clients speak. Fields that are not listed are taken and passed over; what "
    "would change the result and is not there is refused."
)
ERROR = {
    "type": "object",
    "properties": {"error": {"type": "object"}},
    "required": ["error"],
}


def _post(path: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    operation = _operation(path, summary)
    operation["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": schema}},
    }
    if path in STREAMED:
        operation["responses"]["200"]["content"]["text/event-stream"] = {"schema": {}}
    return operation


def _operation(path: str, summary: str, *, status: str = "200") -> dict[str, Any]:
    media = TYPES.get(path, "application/json")
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation: dict[str, Any] = {
        "summary": summary,
        "tags": [_tag(path, summary)],
        "responses": {
            status: {"description": "Done", "content": {media: {"schema": {}}}},
            **{str(one): {"description": "Refused", "content": error} for one in STATUSES},
        },
    }
    if parameters := _parameters(path):
        operation["parameters"] = parameters
    if path == "/v1/health":
        operation["security"] = []
    return operation


def _tag(path: str, summary: str) -> str:
    if path.startswith("/v1/models"):
        return "Models"
    if path in ("/v1/stats", "/metrics", "/v1/health"):
        return "Server"
    return "Anthropic" if "Anthropic" in summary else "OpenAI" if "OpenAI" in summary else "More"


def _parameters(path: str) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in ("model", "stream_id")
        if f"{{{name}}}" in path
    ]
    if "stream_id" in path:
        schema = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
        found.append({"name": "after", "in": "query", "required": False, "schema": schema})
    return found
