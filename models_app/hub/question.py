"""What the estimates on a repository's page are for, as its address says it."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from inference.types import KVCacheType
from models_app.fit import CONTEXT

LONGEST_CONTEXT = 131_072
MOST_STEPS = 128


@dataclass(frozen=True)
class Question:
    """`with_projector`: where there is one."""

    context: int
    longest: int
    step: int
    kv_cache_type: KVCacheType
    with_projector: bool
    is_exact_wanted: bool

    @classmethod
    def of(cls, request: HttpRequest, *, longest: int) -> Question:
        """`longest` 0: not known."""
        longest = longest or LONGEST_CONTEXT
        step = max(128, 1 << (longest // MOST_STEPS - 1).bit_length()) if longest > 128 else 1
        asked = request.GET.get("context", "")
        is_number = asked.isascii() and asked.isdigit() and len(asked) < 12
        default = settings.CONFIGURATION.context_window or CONTEXT
        context = int(asked) if is_number else default
        return cls(
            context=min(max(context, step), longest),
            longest=longest,
            step=step,
            kv_cache_type=settings.CONFIGURATION.kv_cache_type,
            with_projector="with_projector" in request.GET or "context" not in request.GET,
            is_exact_wanted="exact" in request.GET,
        )
