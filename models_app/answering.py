"""How a model answers, as somebody wants it. A chat, a person, a model and its file may each say so;
who stands nearer to the answer goes before: chat > person > model > file > Minerva.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models

from inference.limits import MAX_STOP_LENGTH, MAX_STOP_SEQUENCES
from inference.types import SamplingParams

MAX_SYSTEM_PROMPT = 20_000
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens")
ANSWERING = ("system_prompt", *SAMPLING, "stop")


def between(least: float, most: float) -> list[Any]:
    return [MinValueValidator(least), MaxValueValidator(most)]


def check_stop(text: str) -> None:
    """Django's validator of `AnswerSettings.stop`."""
    texts = text.splitlines()
    if len(texts) > MAX_STOP_SEQUENCES:
        raise ValidationError(f"{MAX_STOP_SEQUENCES} lines at most; these are {len(texts)}.")
    if any(len(one) > MAX_STOP_LENGTH for one in texts):
        raise ValidationError(f"A line may have {MAX_STOP_LENGTH} characters at most.")


class AnswerSettings(models.Model):
    """What is None or "" is left to whoever stands behind. `stop`: one text a line."""

    system_prompt = models.TextField(blank=True, validators=[MaxLengthValidator(MAX_SYSTEM_PROMPT)])
    temperature = models.FloatField(null=True, blank=True, validators=between(0, 5))
    top_p = models.FloatField(null=True, blank=True, validators=between(0, 1))
    top_k = models.PositiveIntegerField(null=True, blank=True, validators=between(0, 1_048_576))
    min_p = models.FloatField(null=True, blank=True, validators=between(0, 1))
    repeat_penalty = models.FloatField(null=True, blank=True, validators=between(0.1, 10))
    max_tokens = models.PositiveIntegerField(
        null=True, blank=True, validators=between(1, 1_048_576)
    )
    stop = models.TextField(blank=True, validators=[check_stop])

    class Meta:
        abstract = True

    @property
    def own_values(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in ANSWERING}
        return {name: value for name, value in values.items() if value not in (None, "")}


@dataclass(frozen=True)
class Layer:
    """`name` in the words of the page: "this chat"."""

    name: str
    values: Mapping[str, Any]


class Answering:
    """What holds for an answer, and who said so. The nearest layer comes first."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    def value(self, name: str) -> Any:
        """None: nobody says anything, it is as Minerva has it."""
        layer = self._layer_of(name)
        return layer.values[name] if layer else None

    def source(self, name: str) -> str:
        layer = self._layer_of(name)
        return layer.name if layer else "Minerva"

    @property
    def system_prompt(self) -> str:
        return self.value("system_prompt") or ""

    @property
    def sampling(self) -> SamplingParams:
        said = {name: value for name in SAMPLING if (value := self.value(name)) is not None}
        stop = tuple(line for line in (self.value("stop") or "").splitlines() if line)
        return SamplingParams(stop=stop, **said)

    def shown(self, name: str) -> str:
        """For people, in an empty field: what holds there, and why."""
        value = self.value(name)
        if value is None:
            value = getattr(SamplingParams(), name, None)
        if name == "max_tokens" and value is None:
            return "to the end of the window"
        if name == "system_prompt" and value == "":
            return "none"
        if value in (None, "", ()):
            return ""
        return " ".join(str(value).split())[:80]

    def _layer_of(self, name: str) -> Layer | None:
        return next((layer for layer in self._layers if name in layer.values), None)


def is_taken(name: str, value: float) -> bool:
    """Whether a number that a file gives for this setting is one that Minerva takes."""
    try:
        field = AnswerSettings._meta.get_field(name)
        assert isinstance(field, models.Field)
        field.run_validators(value)
        msgspec.convert(value, type=int if name in ("top_k", "max_tokens") else float)
    except (ValidationError, msgspec.ValidationError):
        return False
    return value == value  # not NaN, which is beyond no bound
