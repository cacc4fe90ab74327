from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.backends.candidates import BLOCK, all_tokens, largest, logprobs_of

SIZE = 40 * BLOCK + 17


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 60),
    also=st.sets(st.integers(0, SIZE - 1), max_size=5),
    levels=st.sampled_from([3, 50, 1_000_000]),
)
def test_the_largest_are_among_them(seed: int, count: int, also: set[int], levels: int):
    """`levels`: with few of them, many logits are equal."""
    logits = np.random.default_rng(seed).integers(0, levels, SIZE).astype(np.float32)

    found = largest(logits, count, also=also)

    assert also <= set(found["id"].tolist())
    assert sorted(found["logit"])[-count:] == sorted(logits)[-count:]
    assert (found["logit"] == logits[found["id"]]).all()


def test_they_are_few():
    logits = np.random.default_rng(0).standard_normal(150_000).astype(np.float32)

    assert 40 <= len(largest(logits, 40)) < 60


@pytest.mark.parametrize("count", [0, SIZE // BLOCK, 10**6])
def test_where_it_is_not_worth_it_there_are_all(count: int):
    logits = np.arange(SIZE, dtype=np.float32)

    assert (largest(logits, count) == all_tokens(logits)).all()


def test_logits_that_are_no_numbers_leave_all():
    logits = np.full(SIZE, np.nan, np.float32)

    assert len(largest(logits, 5)) == SIZE


def test_logprobs_are_those_of_the_softmax():
    logits = np.array([2.0, -1.0, 0.5, 3.0], np.float32)

    chosen, *top = logprobs_of(logits, 1, count=3)

    probabilities = np.exp(logits) / np.exp(logits).sum()
    assert chosen[0] == 1
    assert chosen[1] == pytest.approx(np.log(probabilities[1]), abs=1e-6)
    assert [token for token, _ in top] == [3, 0, 2]
    assert [logprob for _, logprob in top] == pytest.approx(np.log(probabilities[[3, 0, 2]]))


def test_logprobs_of_a_large_vocabulary_are_the_same():
    logits = np.random.default_rng(1).normal(size=50_000).astype(np.float32) * 5

    chosen, *top = logprobs_of(logits, 7, count=20)

    reference = (
        logits - logits.max() - np.log(np.exp((logits - logits.max()).astype(np.float64)).sum())
    )
    assert [token for token, _ in top] == list(np.argsort(-logits)[:20])
    assert chosen[1] == pytest.approx(reference[7], abs=1e-5)


def test_only_the_token_itself_may_be_asked_for():
    assert len(logprobs_of(np.zeros(4, np.float32), 2, count=0)) == 1


def test_no_logit_is_too_large():
    logprobs = logprobs_of(np.array([1e30, -1e30], np.float32), 0, count=1)

    assert logprobs == [(0, 0.0), (0, 0.0)]
