"""Which model a request is for, and who is let in to it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from uuid import uuid4

from django.http import HttpRequest

from accounts.database import in_database
from accounts.key_models import Scope
from api import request_ids
from api.admission import Admission, admit
from api.callers import Caller
from api.errors import ApiError, invalid, unsupported
from inference.model_files import ModelFormat
from inference.types import ModelSpec
from models_app import catalog
from models_app.access import models_for
from models_app.answering import Answering
from models_app.models import CatalogEntry
from models_app.naming import api_names, resolve
from models_app.routing import chain_of, routed_spec

MAX_CHOICES = 8
# What programs may call the engines that we have, by the format of the models that each runs.
BACKENDS = {
    ModelFormat.GGUF: ("auto", "llama.cpp", "llama_cpp", "llamacpp"),
    ModelFormat.MLX: ("auto", "mlx", "mlx-lm", "mlx_lm"),
    ModelFormat.REMOTE: ("auto", "remote", "openai_remote"),
}


@dataclass(frozen=True)
class Target:
    """`name`: what programs call the model. `spec`: with those who answer in its place; `names`: what
    programs call those, by their ids."""

    caller: Caller
    entry: CatalogEntry
    name: str
    spec: ModelSpec
    names: dict[str, str]
    admission: Admission

    @property
    def user(self) -> str:
        return str(self.caller.user.pk)

    @cached_property
    def answering(self) -> Answering:
        """What holds where the request says nothing: a program is not asked for its person's taste."""
        return Answering(self.entry.layers)

    @property
    def key(self) -> str:
        return str(self.caller.key.pk) if self.caller.key else ""


@dataclass(frozen=True)
class Found:
    name: str
    entry: CatalogEntry
    spec: ModelSpec
    names: dict[str, str]


async def target_of(
    request: HttpRequest,
    caller: Caller,
    model: str,
    *,
    backend: str | None = None,
    scope: Scope = Scope.GENERATE,
) -> Target:
    """`backend`: the engine that the request asks for. Raises 403, 404 for a model that is not there, or not
    for this caller, and 400 where another engine runs it."""
    caller.require(scope)
    found, admission = await _let_in(caller, model, backend, scope, request_ids.of(request))
    is_forced = backend not in (None, "auto")
    spec = found.entry.spec if is_forced else found.spec  # others may be run by another engine
    return Target(caller, found.entry, found.name, spec, found.names, admission)


def _check(found: Found, backend: str | None, scope: Scope) -> None:
    if scope is Scope.GENERATE and not found.entry.can_chat:
        raise invalid(f"{found.name} makes embeddings only. Choose another model.", "model")
    _check_backend(backend, found.entry.format)


def _check_backend(backend: str | None, form: ModelFormat) -> None:
    """The format of a model says which engine runs it."""
    if backend is not None and backend not in BACKENDS[form]:
        engine = BACKENDS[form][1]
        raise unsupported(f"This model is run by {engine}, not by “{backend[:40]}”.", "backend")


def new_id(prefix: str) -> str:
    return f"{prefix}{uuid4().hex}"


def now() -> int:
    return int(time.time())


def check_count(n: int | None) -> int:
    if n is not None and not 1 <= n <= MAX_CHOICES:
        raise invalid(f"“n” must be between 1 and {MAX_CHOICES}.", "n")
    return n or 1


def no_such_model(name: str) -> ApiError:
    return ApiError(
        404,
        f"There is no model “{name[:100]}” for you. GET /v1/models lists those that are.",
        code="model_not_found",
        param="model",
    )


@in_database
def _let_in(
    caller: Caller, model: str, backend: str | None, scope: Scope, request_id: str
) -> tuple[Found, Admission]:
    """All that the database is asked, at once. What can never work is refused before a quota is looked at."""
    found = _found(caller, model)
    _check(found, backend, scope)
    return found, admit(caller, found.entry, request_id=request_id)


def _found(caller: Caller, model: str) -> Found:
    found = _looked_up(caller, model)
    if found is None:
        catalog.refresh()
        found = _looked_up(caller, model)
    if found is None:
        raise no_such_model(model)
    return found


def usable_models(caller: Caller) -> dict[str, CatalogEntry]:
    """By their names. Those that a key is not for keep their part in telling the others apart."""
    names = api_names(models_for(caller.user).select_related("own"))
    return {name: entry for name, entry in names.items() if caller.may_use(entry)}


def _looked_up(caller: Caller, model: str) -> Found | None:
    """In no order: to compile the usual one takes Django longer than the query."""
    names = api_names(models_for(caller.user).select_related("own").order_by())
    entry = resolve(model, names)
    if entry is None or not caller.may_use(entry):
        return None
    usable = {one.pk: one for one in names.values() if one.can_chat and caller.may_use(one)}
    spec = routed_spec(entry, usable.get)
    called = {str(one.pk): name for name, one in names.items()}
    others = {link.model_id: called[link.model_id] for link in chain_of(spec)[1:]}
    return Found(called[str(entry.pk)], entry, spec, others)
