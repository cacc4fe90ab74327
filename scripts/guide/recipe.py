"""The numbers of a training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """`tokens_per_step` includes padding. `whole_shares`: up to which part of the training how many
    answers are whole; first they are learned by heart, then hardly forgotten, then settled.
    `declining_weight`: how much worse it is to answer what is not about Minerva than to decline what is;
    at 1 the model is right as often as it can be, but invents too much."""

    seed: int = 20261121
    steps: int = 9500
    tokens_per_step: int = 2500
    peak_rate: float = 2e-3
    warm_up_steps: int = 100
    weight_decay: float = 0.1
    clip: float = 1.0
    whole_shares: tuple[tuple[float, float], ...] = ((0.08, 0.6), (0.75, 0.08), (1.0, 0.4))
    recited_weight: float = 0.3
    declining_weight: float = 3.0
    dropout_share: float = 0.5
    dropout: float = 0.1
    threads: int = 2
    goes_on: bool = False

    @classmethod
    def further(cls) -> Recipe:
        """For a model that is there, and has to learn some topics more or other answers. Larger steps make
        it forget; declining it has learned, so that weighs less."""
        return cls(
            seed=20261123,
            steps=5000,
            peak_rate=6e-4,
            warm_up_steps=50,
            whole_shares=((1.0, 0.35),),
            declining_weight=2.0,
            goes_on=True,
        )
