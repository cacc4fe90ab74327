"""The fields of how a model answers, in the words of the pages. What is left empty says what holds
there, and who said so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django import forms

from models_app.answering import ANSWERING, Answering, AnswerSettings

Settings = TypeVar("Settings", bound=AnswerSettings)

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm
else:

    class _ModelForm(forms.ModelForm):
        def __class_getitem__(cls, _: Any) -> Any:
            return cls


LABELS = {
    "system_prompt": "System prompt",
    "temperature": "Temperature",
    "top_p": "Top p",
    "top_k": "Top k",
    "min_p": "Min p",
    "repeat_penalty": "Repeat penalty",
    "max_tokens": "Longest answer, in tokens",
    "stop": "Stop at",
    "no_system_prompt": "No system prompt",
}
HELP = {
    "system_prompt": "Said to the model before everything else.",
    "temperature": "0 always takes the likeliest token; more is more varied.",
    "top_k": "0: all tokens.",
    "stop": "An answer ends before any of these texts. One a line.",
    "no_system_prompt": "Not even the one that holds where the field above is empty.",
}
ROWS = {"system_prompt": 3, "stop": 2}


class AnswerForm(_ModelForm[Settings]):
    """Of whoever has such settings: `Meta` names the model and `ANSWERING` as the fields."""

    def __init__(self, *args: Any, behind: Answering, **options: Any) -> None:
        """`behind`: what holds where a field is empty."""
        super().__init__(*args, **options)
        for name in ANSWERING:
            shown = behind.shown(name)
            self.fields[name].label = LABELS[name]
            self.fields[name].help_text = HELP.get(name, "")
            self.dress(name, placeholder=shown)
            if shown:
                self.fields[name].inherited = f"{shown} ({behind.source(name)})"  # type: ignore[attr-defined]

    def dress(self, name: str, *, placeholder: str) -> None:
        field = self.fields[name]
        attributes = field.widget.attrs
        attributes |= {"class": "input", "placeholder": placeholder}
        if name in ROWS:
            attributes |= {"rows": ROWS[name], "spellcheck": "false"}
        if field.help_text:
            attributes["aria-describedby"] = f"{self[name].auto_id}_help"
