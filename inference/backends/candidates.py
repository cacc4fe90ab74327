"""Which tokens a sampler gets to see, as llama.cpp's samplers take them.

Looking at a whole vocabulary costs more than all the rest of sampling: 150,000 tokens, of which
top-k keeps forty. So they are found first, by comparing the largest logit of each block.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

# As `llama_token_data`.
TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
BLOCK = 128

Logits = npt.NDArray[np.float32]
Candidates = npt.NDArray[np.void]


def all_tokens(logits: Logits) -> Candidates:
    return _candidates(np.arange(len(logits), dtype=np.int32), logits)


def largest(logits: Logits, count: int, *, also: Collection[int] = ()) -> Candidates:
    """At least the `count` tokens with the largest logits, and those of `also`, in order of their
    ids. All tokens if that is not worth it."""
    num_blocks = len(logits) // BLOCK
    if not 0 < count <= num_blocks // 2:
        return all_tokens(logits)
    largest_of_blocks = logits[: num_blocks * BLOCK].reshape(num_blocks, BLOCK).max(axis=1)
    # So many blocks have a logit of at least this, so the `count` largest logits are not below it.
    least = np.partition(largest_of_blocks, num_blocks - count)[num_blocks - count]
    ids = np.flatnonzero(logits >= least)
    if also:
        ids = np.union1d(ids, np.fromiter(also, np.int64))
    return _candidates(ids, logits[ids]) if len(ids) else all_tokens(logits)


def logprobs_of(logits: Logits, token: int, *, count: int) -> list[tuple[int, float]]:
    """The token first, then the `count` likeliest, with the logarithms of their softmax."""
    highest = float(logits.max())
    total = highest + float(np.log(np.exp(logits - highest, dtype=np.float64).sum()))
    top = largest(logits, count)["id"] if count else np.empty(0, np.int32)
    likeliest = top[np.argsort(-logits[top], kind="stable")][:count]
    return [(int(one), float(logits[one]) - total) for one in (token, *likeliest)]


def only(tokens: Sequence[int]) -> Candidates:
    return _candidates(np.array(tokens, np.int32), np.zeros(len(tokens), np.float32))


def _candidates(ids: npt.NDArray[np.integer], logits: Logits) -> Candidates:
    candidates = np.empty(len(ids), TOKEN_DATA)
    candidates["id"] = ids
    candidates["logit"] = logits
    candidates["p"] = 0.0
    return candidates
