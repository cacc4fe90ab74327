"""A sequence's sampler: the same samplers in the same order as llama.cpp's, over numpy arrays.

The order: biases, penalties, top-k, typical, top-p, min-p, XTC, temperature, and a draw.
"""

from __future__ import annotations

import math
import os
from collections import Counter, deque

import numpy as np
import numpy.typing as npt

from inference.backends.candidates import Logits, largest
from inference.backends.mlx.form import Form
from inference.types import SamplingParams

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int32]


class MLXSampler:
    """Made for one sequence, so its randomness is the same alone or batched.

    What a form allows costs a look at every token. So one is chosen first; only if the form forbids it is
    another one chosen among all that it allows.
    """

    def __init__(self, params: SamplingParams, form: Form | None = None) -> None:
        self._params = params
        self._form = form
        seed = int.from_bytes(os.urandom(8), "big") if params.seed is None else params.seed
        self._random = np.random.default_rng(seed)
        self._biases = dict(params.logit_bias)
        penalties = (params.repeat_penalty, params.frequency_penalty, params.presence_penalty)
        self._penalises = penalties != (1.0, 0.0, 0.0)
        self._recent: deque[int] = deque(maxlen=params.repeat_last_n if self._penalises else 0)

    def choose(self, logits: Logits) -> int:
        """The next token. `logits`: one for each token of the vocabulary; they are not changed. Raises
        InferenceError for a form that became too much."""
        token = self._chosen(logits)
        if self._form is not None:
            if not self._form.allows(token):
                allowed = self._form.allowed()
                if not len(allowed):
                    return self._form.end
                token = self._chosen_of(allowed, logits)
            self._form.take(token)
        self._recent.append(token)
        return token

    def close(self) -> None:
        pass

    def _chosen(self, logits: Logits) -> int:
        is_greedy = self._params.temperature <= 0
        if is_greedy and not self._biases and not self._penalises:
            return int(logits.argmax())
        top_k = 1 if is_greedy else self._params.top_k
        return self._chosen_of(self._candidates(logits, top_k=top_k), logits)

    def _chosen_of(self, ids: Ids, logits: Logits) -> int:
        values = self._changed(ids, logits[ids].astype(np.float64))
        if self._params.temperature <= 0:
            return int(ids[values.argmax()])
        return self._drawn(ids, values)

    def _candidates(self, logits: Logits, *, top_k: int) -> Ids:
        """A token whose logit is changed may take the place of another, so each adds one."""
        if top_k == 0:
            return np.arange(len(logits), dtype=np.int32)
        changed = self._biases.keys() | set(self._recent)
        return largest(logits, top_k + len(changed), also=changed)["id"]

    def _changed(self, ids: Ids, values: Floats) -> Floats:
        params, place = self._params, {int(token): at for at, token in enumerate(ids)}
        for token in self._biases.keys() & place.keys():
            values[place[token]] += self._biases[token]
        for token, count in Counter(self._recent).items():
            if (at := place.get(token)) is None:
                continue  # forbidden now
            value = values[at]
            value = value * params.repeat_penalty if value <= 0 else value / params.repeat_penalty
            values[at] = value - count * params.frequency_penalty - params.presence_penalty
        return values

    def _drawn(self, ids: Ids, values: Floats) -> int:
        params = self._params
        order = np.argsort(-values, kind="stable")
        order = order[: params.top_k] if params.top_k else order
        ids, values = ids[order], values[order]
        if params.typical_p < 1:
            ids, values = _kept(ids, values, _typical(values, params.typical_p))
        if params.top_p < 1:
            ids, values = _kept(ids, values, _likeliest(softmax(values), params.top_p))
        if params.min_p > 0:
            chances = softmax(values)
            ids, values = _kept(ids, values, chances >= params.min_p * chances[0])
        if params.xtc_probability > 0:
            ids, values = _kept(ids, values, self._without_top(softmax(values)))
        chances = softmax(values / _temperature(params, values))
        drawn = int(np.searchsorted(chances.cumsum(), self._random.random(), side="right"))
        return int(ids[min(drawn, len(ids) - 1)])

    def _without_top(self, chances: Floats) -> npt.NDArray[np.bool_]:
        """XTC: sometimes all but the least of those above the threshold are left out."""
        kept = np.ones(len(chances), bool)
        num_above = int((chances >= self._params.xtc_threshold).sum())
        if self._random.random() < self._params.xtc_probability and num_above > 1:
            kept[: num_above - 1] = False
        return kept


def softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max())
    chances: Floats = powers / powers.sum()
    return chances


def _kept(ids: Ids, values: Floats, kept: npt.NDArray[np.bool_]) -> tuple[Ids, Floats]:
    return ids[kept], values[kept]


def _likeliest(chances: Floats, share: float) -> npt.NDArray[np.bool_]:
    """The fewest that have this share together; at least one. `chances` in falling order."""
    kept: npt.NDArray[np.bool_] = chances.cumsum() - chances < share
    kept[0] = True
    return kept


def _typical(values: Floats, share: float) -> npt.NDArray[np.bool_]:
    """Those whose surprise is nearest to what is expected."""
    chances = softmax(values)
    surprise = -np.log(np.maximum(chances, 1e-300))
    order = np.argsort(np.abs(surprise - (chances * surprise).sum()), kind="stable")
    kept = np.zeros(len(values), bool)
    kept[order[_likeliest(chances[order], share)]] = True
    return kept


def _temperature(params: SamplingParams, values: Floats) -> float:
    """With a range, the surer the model is, the lower."""
    if params.dynatemp_range <= 0 or len(values) < 2:
        return params.temperature
    chances = softmax(values)
    entropy = -float((chances * np.log(np.maximum(chances, 1e-300))).sum()) / math.log(len(values))
    least = max(0.0, params.temperature - params.dynatemp_range)
    most = params.temperature + params.dynatemp_range
    share = math.pow(max(0.0, entropy), params.dynatemp_exponent)
    return max(1e-3, least + (most - least) * share)
