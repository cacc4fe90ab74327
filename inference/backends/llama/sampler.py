"""A sequence's sampler: llama.cpp's own chain, from what can be chosen to what is chosen."""

from __future__ import annotations

import ctypes
import math
import os
from collections import deque

import llama_cpp

from inference.backends.candidates import Candidates, Logits, all_tokens, largest, only
from inference.backends.llama.grammar import ROOT
from inference.backends.llama.vocabulary import Vocabulary
from inference.types import SamplingParams

# llama.cpp takes this seed for "none": a request that names it must be as repeatable as any other.
NO_SEED = 0xFFFFFFFF
# Where a repetition may not reach across; those that llama.cpp's own programs use.
DRY_BREAKERS = (b"\n", b":", b'"', b"*")
MIROSTAT_TOKENS = 100


class LlamaSampler:
    """Made for one sequence and closed with it, so its randomness is the same alone or batched.

    A grammar looks at the text of every candidate, which costs. So a token is chosen first; only if
    the grammar forbids it is another one chosen among all that it allows.
    """

    def __init__(
        self, params: SamplingParams, vocabulary: Vocabulary, *, grammar: str = ""
    ) -> None:
        self._params = params
        self._vocabulary = vocabulary
        self._seed = _seed(params.seed)
        self._biased = frozenset(token for token, _ in params.logit_bias)
        self._recent: deque[int] = deque(maxlen=params.repeat_last_n if self._penalises else 0)
        self._chain = llama_cpp.llama_sampler_chain_init(
            llama_cpp.llama_sampler_chain_default_params()
        )
        self._add_changes()
        self._add_choice()
        self._grammar = _grammar(grammar, vocabulary) if grammar else None

    def choose(self, logits: Logits) -> int:
        """The next token. `logits`: one for each token of the vocabulary; they are not changed."""
        token = self._likeliest_or_drawn(logits)
        if self._grammar is not None:
            if not self._is_allowed(token):
                allowed = self._allowed(logits)
                if not len(allowed):
                    return self._vocabulary.eos  # the grammar leads nowhere
                token = _chosen(self._chain, allowed)
            llama_cpp.llama_sampler_accept(self._grammar, token)
        llama_cpp.llama_sampler_accept(self._chain, token)
        self._recent.append(token)
        return token

    def close(self) -> None:
        """Idempotent. The chain frees the samplers in it."""
        if self._chain is not None:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None
        if self._grammar is not None:
            llama_cpp.llama_sampler_free(self._grammar)
            self._grammar = None

    @property
    def _is_greedy(self) -> bool:
        return self._params.temperature <= 0

    @property
    def _penalises(self) -> bool:
        params = self._params
        penalties = (params.repeat_penalty, params.frequency_penalty, params.presence_penalty)
        return penalties != (1.0, 0.0, 0.0)

    def _likeliest_or_drawn(self, logits: Logits) -> int:
        if self._is_greedy and llama_cpp.llama_sampler_chain_n(self._chain) == 1:
            return int(logits.argmax())
        return _chosen(self._chain, self._candidates(logits))

    def _is_allowed(self, token: int) -> bool:
        candidates = only([token])
        _apply(self._grammar, candidates)
        return bool(candidates["logit"][0] > -math.inf)

    def _allowed(self, logits: Logits) -> Candidates:
        candidates = all_tokens(logits)
        _apply(self._grammar, candidates)
        return candidates[candidates["logit"] > -math.inf]

    def _candidates(self, logits: Logits) -> Candidates:
        """A token whose logit is changed may take the place of another, so each adds one."""
        params = self._params
        top_k = 1 if self._is_greedy else params.top_k
        if top_k == 0 or params.dry_multiplier > 0 or (params.mirostat and not self._is_greedy):
            return all_tokens(logits)
        changed = self._biased.union(self._recent)
        return largest(logits, top_k + len(changed), also=changed)

    def _add_changes(self) -> None:
        """What changes logits; all of it looks at what was said before, or at single tokens."""
        params = self._params
        if params.logit_bias:
            self._add_bias()
        if self._penalises:
            self._add(
                llama_cpp.llama_sampler_init_penalties(
                    self._vocabulary.size,
                    params.repeat_last_n,
                    params.repeat_penalty,
                    params.frequency_penalty,
                    params.presence_penalty,
                )
            )
        if params.dry_multiplier > 0:
            self._add_dry()

    def _add_bias(self) -> None:
        biases = [llama_cpp.llama_logit_bias(*pair) for pair in self._params.logit_bias]
        array = (llama_cpp.llama_logit_bias * len(biases))(*biases)
        size = self._vocabulary.size
        self._add(llama_cpp.llama_sampler_init_logit_bias(size, len(biases), array))

    def _add_dry(self) -> None:
        params = self._params
        breakers = (ctypes.c_char_p * len(DRY_BREAKERS))(*DRY_BREAKERS)
        self._add(
            llama_cpp.llama_sampler_init_dry(
                self._vocabulary.handle,
                params.dry_multiplier,
                params.dry_base,
                params.dry_allowed_length,
                params.dry_penalty_last_n,
                breakers,
                len(DRY_BREAKERS),
            )
        )

    def _add_choice(self) -> None:
        if self._is_greedy:
            self._add(llama_cpp.llama_sampler_init_greedy())
        elif self._params.mirostat:
            self._add_temperature()
            self._add_mirostat()
        else:
            self._add_filters()
            self._add_temperature()
            self._add(llama_cpp.llama_sampler_init_dist(self._seed))

    def _add_filters(self) -> None:
        params = self._params
        if params.top_k > 0:
            self._add(llama_cpp.llama_sampler_init_top_k(params.top_k))
        if params.typical_p < 1:
            self._add(llama_cpp.llama_sampler_init_typical(params.typical_p, 1))
        if params.top_p < 1:
            self._add(llama_cpp.llama_sampler_init_top_p(params.top_p, 1))
        if params.min_p > 0:
            self._add(llama_cpp.llama_sampler_init_min_p(params.min_p, 1))
        if params.xtc_probability > 0:
            self._add(
                llama_cpp.llama_sampler_init_xtc(
                    params.xtc_probability, params.xtc_threshold, 1, self._seed
                )
            )

    def _add_temperature(self) -> None:
        params = self._params
        self._add(
            llama_cpp.llama_sampler_init_temp_ext(
                params.temperature, params.dynatemp_range, params.dynatemp_exponent
            )
        )

    def _add_mirostat(self) -> None:
        params = self._params
        rates = (params.mirostat_tau, params.mirostat_eta)
        if params.mirostat == 1:
            size = self._vocabulary.size
            self._add(
                llama_cpp.llama_sampler_init_mirostat(size, self._seed, *rates, MIROSTAT_TOKENS)
            )
        else:
            self._add(llama_cpp.llama_sampler_init_mirostat_v2(self._seed, *rates))

    def _add(self, sampler: object) -> None:
        llama_cpp.llama_sampler_chain_add(self._chain, sampler)


def _chosen(chain: object, candidates: Candidates) -> int:
    array = _apply(chain, candidates)
    return int(array.data[array.selected].id)


def _apply(sampler: object, candidates: Candidates) -> llama_cpp.llama_token_data_array:
    pointer = ctypes.cast(candidates.ctypes.data, ctypes.POINTER(llama_cpp.llama_token_data))
    array = llama_cpp.llama_token_data_array(
        data=pointer, size=len(candidates), selected=-1, sorted=False
    )
    llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
    return array


def _grammar(text: str, vocabulary: Vocabulary) -> object:
    sampler = llama_cpp.llama_sampler_init_grammar(vocabulary.handle, text.encode(), ROOT)
    assert sampler, "make_grammar has let a wrong grammar through"
    return sampler


def _seed(seed: int | None) -> int:
    value = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    return value % NO_SEED
