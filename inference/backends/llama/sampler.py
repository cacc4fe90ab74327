"""A sequence's sampler: llama.cpp's own chain, from what can be chosen to what is chosen."""

from __future__ import annotations

import os

import llama_cpp

from inference.types import SamplingParams

PENALTY_LAST_TOKENS = 256
# llama.cpp takes this seed for "none": a request that names it must be as repeatable as any other.
NO_SEED = 0xFFFFFFFF


class LlamaSampler:
    """Made for one sequence and closed with it, so its randomness is the same alone or batched."""

    def __init__(self, params: SamplingParams) -> None:
        self.chain = llama_cpp.llama_sampler_chain_init(
            llama_cpp.llama_sampler_chain_default_params()
        )
        self._add_penalties(params)
        if params.temperature <= 0:
            self._add(llama_cpp.llama_sampler_init_greedy())
        else:
            self._add_random(params)

    def close(self) -> None:
        """Idempotent. The chain frees the samplers in it."""
        if self.chain is not None:
            llama_cpp.llama_sampler_free(self.chain)
            self.chain = None

    def _add_penalties(self, params: SamplingParams) -> None:
        """They look at the whole vocabulary, which costs: left out when they change nothing."""
        penalties = (params.repeat_penalty, params.frequency_penalty, params.presence_penalty)
        if penalties != (1.0, 0.0, 0.0):
            self._add(llama_cpp.llama_sampler_init_penalties(PENALTY_LAST_TOKENS, *penalties))

    def _add_random(self, params: SamplingParams) -> None:
        if params.top_k > 0:
            self._add(llama_cpp.llama_sampler_init_top_k(params.top_k))
        if params.top_p < 1:
            self._add(llama_cpp.llama_sampler_init_top_p(params.top_p, 1))
        if params.min_p > 0:
            self._add(llama_cpp.llama_sampler_init_min_p(params.min_p, 1))
        self._add(llama_cpp.llama_sampler_init_temp(params.temperature))
        self._add(llama_cpp.llama_sampler_init_dist(_seed(params.seed)))

    def _add(self, sampler: object) -> None:
        llama_cpp.llama_sampler_chain_add(self.chain, sampler)


def _seed(seed: int | None) -> int:
    value = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    return value % NO_SEED
