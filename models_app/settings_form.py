"""The form of a model's settings: each field in the words of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from models_app.tuning import KVCacheType, ModelSettings

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[ModelSettings]
else:
    _ModelForm = forms.ModelForm

LABELS = {
    "context_window": "Context window, in tokens",
    "gpu_layers": "Layers on the GPU",
    "threads": "Threads",
    "max_sequences": "Answers at the same time",
    "kv_cache_type": "KV cache",
    "idle_unload_minutes": "Idle minutes before it is unloaded",
    "chat_template": "Chat template",
    "system_prompt": "System prompt",
    "temperature": "Temperature",
    "top_p": "Top p",
    "top_k": "Top k",
    "min_p": "Min p",
    "repeat_penalty": "Repeat penalty",
    "max_tokens": "Longest answer, in tokens",
}
HELP = {
    "context_window": "Never above what the model was trained with. More takes more memory.",
    "gpu_layers": "-1: all, 0: none.",
    "threads": "0: one for each physical core.",
    "max_sequences": "Further ones wait in its queue.",
    "idle_unload_minutes": "0: never.",
    "chat_template": "In place of the one in the file. Jinja, as the model's makers write it.",
    "system_prompt": "Said to the model before every chat.",
    "temperature": "0 always takes the likeliest token; more is more varied.",
    "top_k": "0: all tokens.",
}
ROWS = {"chat_template": 4, "system_prompt": 3}


class SettingsForm(_ModelForm):
    class Meta:
        model = ModelSettings
        fields = tuple(LABELS)
        labels = LABELS
        help_texts = HELP

    def __init__(self, *args: Any, defaults: dict[str, str], **options: Any) -> None:
        """`defaults`: what holds where a field is empty, for people to see."""
        super().__init__(*args, **options)
        for name, field in self.fields.items():
            attributes = field.widget.attrs
            attributes["class"] = "input select" if name == "kv_cache_type" else "input"
            attributes["placeholder"] = defaults.get(name, "")
            if name in ROWS:
                attributes |= {"rows": ROWS[name], "spellcheck": "false"}
            if field.help_text:
                attributes["aria-describedby"] = f"id_{name}_help"
        empty = ("", f"As the server: {defaults['kv_cache_type']}")
        choices = self.fields["kv_cache_type"]
        assert isinstance(choices, forms.ChoiceField)
        choices.choices = [empty, *KVCacheType.choices]
