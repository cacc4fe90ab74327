"""What the KV cache keeps of a token is what llama.cpp would allocate, layer by layer."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from inference.errors import ModelFileInvalid
from inference.gguf_header import read_header
from inference.memory_estimate import bytes_a_token, estimate
from tests.inference.gguf_files import BOOL, INT32, LLAMA, UINT32, File, array_pair, u32_pair

HEADS = "llama.attention.head_count_kv"
LENGTHS = (
    u32_pair("llama.attention.key_length", 16),
    u32_pair("llama.attention.value_length", 12),
)
PATTERN = array_pair("llama.attention.sliding_window_pattern", BOOL, 2, b"\1\0")


def values(folder: Path, *pairs: bytes, kv_heads: bytes = LLAMA[6]) -> int:
    file = File(pairs=(*LLAMA[:6], kv_heads, *LLAMA[7:], *pairs))
    return read_header(file.write(folder / "a.gguf")).num_kv_values


def test_without_lengths_a_head_has_its_share_of_the_width(tmp_path):
    """Two layers, four KV heads, 64 / 8 numbers for keys and for values."""
    assert values(tmp_path) == 2 * 4 * (8 + 8)


def test_lengths_of_heads_are_taken_from_the_file(tmp_path):
    assert values(tmp_path, *LENGTHS) == 2 * 4 * (16 + 12)


def test_layers_may_have_fewer_heads_or_none(tmp_path):
    heads = array_pair(HEADS, INT32, 2, struct.pack("<2i", 3, 0))

    assert values(tmp_path, kv_heads=heads) == 3 * (8 + 8)


def test_layers_with_a_sliding_window_may_have_heads_of_another_size(tmp_path):
    sliding = (
        u32_pair("llama.attention.key_length_swa", 6),
        u32_pair("llama.attention.value_length_swa", 4),
    )

    assert values(tmp_path, *LENGTHS, *sliding, PATTERN) == 4 * (6 + 4) + 4 * (16 + 12)
    assert values(tmp_path, *LENGTHS, *sliding) == 2 * 4 * (16 + 12)
    assert values(tmp_path, *LENGTHS, PATTERN) == 2 * 4 * (16 + 12)


def test_layers_that_use_the_cache_of_earlier_ones_keep_nothing(tmp_path):
    assert values(tmp_path, u32_pair("llama.attention.shared_kv_layers", 1)) == 4 * (8 + 8)
    assert values(tmp_path, u32_pair("llama.attention.shared_kv_layers", 9)) == 0


def test_what_is_compressed_together_has_no_values_of_its_own(tmp_path):
    compressed = u32_pair("llama.attention.key_length_mla", 24)

    assert values(tmp_path, *LENGTHS, compressed) == 2 * 4 * 16


@pytest.mark.parametrize("number", [2**31 - 1, 100_000])
def test_a_file_that_claims_to_have_no_end_of_layers_is_read_at_once(tmp_path, number):
    pairs = (*LLAMA[:3], u32_pair("llama.block_count", number), *LLAMA[4:])

    assert read_header(File(pairs=pairs).write(tmp_path / "a.gguf")).num_kv_values > 0


def test_a_file_that_claims_to_keep_more_of_a_token_than_any_model_is_damaged(tmp_path):
    """Its bytes would be a number that no message between our processes can carry."""
    long = u32_pair("llama.attention.key_length", 2**20)
    heads = u32_pair(HEADS, 2**20)

    with pytest.raises(ModelFileInvalid, match="numbers of each token"):
        values(tmp_path, long, kv_heads=heads)


def test_the_limit_of_what_a_token_takes_is_far_above_any_model(tmp_path):
    """Two layers with two heads, whose values have 8 numbers."""
    heads = u32_pair(HEADS, 2)

    key = u32_pair("llama.attention.key_length", 2**30 - 8)
    assert values(tmp_path, key, kv_heads=heads) == 2**32
    with pytest.raises(ModelFileInvalid, match="damaged"):
        values(tmp_path, u32_pair("llama.attention.key_length", 2**30 - 7), kv_heads=heads)


def test_a_pattern_of_whole_numbers_is_taken_too(tmp_path):
    pattern = array_pair(
        "llama.attention.sliding_window_pattern", UINT32, 2, struct.pack("<2I", 1, 0)
    )
    smaller = u32_pair("llama.attention.key_length_swa", 6)

    assert values(tmp_path, *LENGTHS, smaller, pattern) == 4 * (6 + 12) + 4 * (16 + 12)


def test_the_estimate_is_tokens_by_what_a_token_takes(tmp_path):
    header = read_header(File().write(tmp_path / "a.gguf"))

    assert bytes_a_token(header, "f16") == 2 * 4 * (8 + 8) * 2
    found = estimate(header, context_window=512, kv_cache_type="q8_0")
    assert found.kv_cache == 512 * bytes_a_token(header, "q8_0") == 512 * 136
