"""The form of a model's settings: each field in the words of the page."""

from __future__ import annotations

from typing import Any

from django import forms

from models_app import naming, routing
from models_app.answer_form import AnswerForm
from models_app.answering import ANSWERING
from models_app.models import CatalogEntry
from models_app.tuning import FlashAttention, KVCacheType, ModelSettings

# The page's groups, in their order.
MEMORY = ("context_window", "kv_cache_type", "gpu_layers", "max_sequences")
SPEED = ("threads", "batch_tokens", "flash_attention", "idle_unload_minutes")
STAYING = ("is_pinned", "is_preloaded", "is_api_default")
# How a file is loaded; a model of another server is loaded there.
OF_FILES = (
    *("context_window", "kv_cache_type", "gpu_layers", "threads", "batch_tokens"),
    *("flash_attention", "chat_template", "is_pinned", "is_preloaded"),
)
SELECTS: dict[str, list[tuple[str, str]]] = {
    "kv_cache_type": list(KVCacheType.choices),
    "flash_attention": list(FlashAttention.choices),
}
LABELS = {
    "context_window": "Context window, in tokens",
    "kv_cache_type": "KV cache",
    "gpu_layers": "Layers on the GPU",
    "max_sequences": "Answers at the same time",
    "threads": "Threads",
    "batch_tokens": "Tokens in a batch",
    "flash_attention": "Flash attention",
    "idle_unload_minutes": "Idle minutes before it is unloaded",
    "chat_template": "Chat template",
    "is_pinned": "Keep in memory",
    "is_preloaded": "Load at start",
    "is_api_default": "Default for programs",
    "aliases": "Other names",
    "fallback": "If it can't answer",
}
HELP = {
    "context_window": "Never above what the model was trained with. More takes more memory.",
    "gpu_layers": "-1: all, 0: none.",
    "max_sequences": "Further ones wait in its queue.",
    "threads": "0: one for each physical core.",
    "batch_tokens": "Of a prompt, computed at once. More is faster on a GPU, and takes more memory.",
    "idle_unload_minutes": "0: never.",
    "chat_template": "In place of the one in the file. Jinja, as the model's makers write it.",
    "is_pinned": "Neither idle time nor another model takes it out of memory.",
    "is_preloaded": "As soon as Minerva runs, before anybody asks.",
    "is_api_default": "Answers programs that name no model.",
    "aliases": "For programs that ask for a model by a name of their own. One a line.",
    "fallback": "Who answers when it cannot be loaded, or is left alone after failures.",
}


class SettingsForm(AnswerForm[ModelSettings]):
    class Meta:
        model = ModelSettings
        fields = (*MEMORY, *SPEED, "chat_template", *STAYING, "aliases", "fallback", *ANSWERING)
        labels = LABELS
        help_texts = HELP

    def __init__(self, *args: Any, defaults: dict[str, str], **options: Any) -> None:
        """`defaults`: what holds where a field of loading is empty, for people to see."""
        super().__init__(*args, **options)
        for name in (*MEMORY, *SPEED, "chat_template", "aliases"):
            self.dress(name, placeholder=defaults.get(name, ""))
        self.fields["chat_template"].widget.attrs |= {"rows": 4, "spellcheck": "false"}
        self.fields["aliases"].widget.attrs |= {"rows": 2, "spellcheck": "false"}
        for name, choices in SELECTS.items():
            select = self.fields[name]
            assert isinstance(select, forms.ChoiceField)
            select.widget.attrs["class"] = "input select"
            select.choices = [("", f"As the server: {defaults[name]}"), *choices]
        if self.instance.entry.is_remote:
            for name in OF_FILES:
                del self.fields[name]

        fallback = self.fields["fallback"]
        assert isinstance(fallback, forms.ModelChoiceField)
        fallback.widget.attrs["class"] = "input select"
        fallback.empty_label = "Nobody: the request fails, with the reason"
        fallback.queryset = routing.candidates(self.instance.entry)

    def clean_fallback(self) -> CatalogEntry | None:
        chosen: CatalogEntry | None = self.cleaned_data["fallback"]
        if chosen and (problem := routing.problem_of(self.instance.entry, chosen)):
            raise forms.ValidationError(problem)
        return chosen

    def clean_aliases(self) -> str:
        names = [" ".join(name.split()) for name in self.cleaned_data["aliases"].splitlines()]
        aliases = list(dict.fromkeys(name for name in names if name))
        for alias in aliases:
            other = naming.named(alias)
            if other is not None and other.pk != self.instance.entry_id:
                raise forms.ValidationError(f"“{alias}” is already the name of {other.name}.")
        return "\n".join(aliases)

    def clean(self) -> dict[str, Any] | None:
        values = super().clean() or self.cleaned_data
        if values.get("flash_attention") == "off" and values.get("kv_cache_type") in (
            "q8_0",
            "q4_0",
        ):
            self.add_error("flash_attention", "A KV cache in q8_0 or q4_0 needs flash attention.")
        return values

    def save(self, commit: bool = True) -> ModelSettings:
        if self.cleaned_data["is_api_default"]:
            ModelSettings.objects.filter(is_api_default=True).update(is_api_default=False)
        return super().save(commit)
