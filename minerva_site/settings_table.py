"""The page docs/settings.md as text: every MINERVA_* setting, from `Configuration` itself."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import IPvAnyNetwork
from pydantic.fields import FieldInfo

from minerva_site.arguments import VARIABLES
from minerva_site.configuration import Configuration

INTRODUCTION = """\
# Settings

Made by `manage.py settings_table`; change the descriptions in `minerva_site/configuration.py`.

Every setting is an environment variable, and every one has a default that works. A wrong value is
named at the start, with what is expected. An option of `manage.py serve` wins over the environment.

| Setting | Type | Default | Meaning | Option of `serve` |
|---|---|---|---|---|
"""
TYPE_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    IPvAnyNetwork: "network",
}
OPTIONS = {variable: f"`--{name.replace('_', '-')}`" for name, variable in VARIABLES.items()}
# Defaults that are computed on the machine, in words
COMPUTED = {
    "data_dir": "the user's data folder, e.g. `~/.local/share/minerva`",
    "mlx_python": "`.venv-mlx/bin/python` in Minerva's folder",
}


def settings_page() -> str:
    rows = (_row(name, field) for name, field in Configuration.model_fields.items())
    return INTRODUCTION + "".join(f"{row}\n" for row in rows)


def _row(name: str, field: FieldInfo) -> str:
    variable = f"MINERVA_{name.upper()}"
    cells = [
        f"`{variable}`",
        _type(field),
        _default(name, field),
        (field.description or "").replace("|", "\\|"),
        OPTIONS.get(variable, ""),
    ]
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _type(field: FieldInfo) -> str:
    kind = field.annotation
    bounds = _bounds(field)
    return _type_name(kind) + (f", {bounds}" if bounds else "")


def _type_name(kind: Any) -> str:
    if get_origin(kind) is list:
        return f"list of {_type_name(get_args(kind)[0])}s (JSON)"
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    if isinstance(kind, types.UnionType):
        return " or ".join(_type_name(each) for each in get_args(kind) if each is not type(None))
    return TYPE_NAMES.get(kind, getattr(kind, "__name__", str(kind)))


def _bounds(field: FieldInfo) -> str:
    found = {
        word: getattr(limit, word)
        for limit in field.metadata
        for word in ("ge", "gt", "le", "lt")
        if getattr(limit, word, None) is not None
    }
    if "ge" in found and "le" in found:
        return f"{found['ge']:,} to {found['le']:,}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{words[word]} {limit:,}" for word, limit in found.items())


def _default(name: str, field: FieldInfo) -> str:
    if name in COMPUTED:
        return COMPUTED[name]
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "none"
    return f"`{json.dumps(value) if isinstance(value, bool | list) else value}`"
