"""What a quantisation costs in quality, in words, and which one to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models_app.hub.repository import Variant

# From the fewest bits on. Measured losses of common models, as their makers publish them.
WORDS = {
    1: "much is lost",
    2: "much is lost",
    3: "some is lost",
    4: "good",
    5: "very good",
    6: "nearly as the original",
    8: "as the original",
    16: "the original",
    32: "the original",
}
RECOMMENDED = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M")
FEWEST_BITS = 4


@dataclass(frozen=True)
class Quality:
    """`bits` 0: the name does not tell."""

    bits: int
    words: str


def quality_of(variant: Variant) -> Quality:
    bits = variant.bits
    return Quality(bits, WORDS.get(bits, "")) if bits in WORDS else Quality(0, "")


def recommended(runnable: Sequence[Variant]) -> Variant | None:
    """The largest of the usual ones that runs; else the smallest with four bits; else the smallest."""
    for label in RECOMMENDED:
        for variant in runnable:
            if variant.label.removeprefix("UD-") == label:
                return variant
    enough = [variant for variant in runnable if variant.bits >= FEWEST_BITS]
    return min(enough or runnable, key=lambda variant: variant.size, default=None)
