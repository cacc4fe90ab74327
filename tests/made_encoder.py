"""A real embedding model of some 100 KB that a test makes itself: BERT's shape, random weights, a
WordPiece vocabulary of some words, letters and marks. It reads in both directions."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("owl", "owls", "moon", "night", "mouse", "why", "tell", "me", "of", "the", "and", "a")
LAYERS, WIDTH, HEADS, INNER = 2, 64, 2, 128

Matrix = npt.NDArray[np.float32]


def write_encoder(
    path: Path, *, context_length: int = 256, pooling: gguf.PoolingType | None = None, seed: int = 0
) -> Path:
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name(path.stem)
    writer.add_context_length(context_length)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_feed_forward_length(INNER)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    tokens = _add_tokenizer(writer)
    generator = np.random.default_rng(seed)
    _add_tensors(writer, generator, num_tokens=len(tokens), context_length=context_length)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter) -> list[str]:
    """Words that begin one are written with “▁” before them, as llama.cpp wants it."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    begins = [f"▁{word}" for word in dict.fromkeys((*WORDS, *letters, ".", "?", ","))]
    tokens = [*SPECIAL, *begins, *letters]
    types = [gguf.TokenType.CONTROL] * len(SPECIAL)
    types += [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIAL))
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_type_count(2)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)
    return tokens


def _add_tensors(
    writer: gguf.GGUFWriter,
    generator: np.random.Generator,
    *,
    num_tokens: int,
    context_length: int,
) -> None:
    def add(name: str, *shape: int) -> None:
        scale = np.float32(1 / np.sqrt(WIDTH))
        writer.add_tensor(name, generator.standard_normal(shape, dtype=np.float32) * scale)

    def add_norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(WIDTH, np.float32))

    add("token_embd.weight", num_tokens, WIDTH)
    add("position_embd.weight", context_length, WIDTH)
    add("token_types.weight", 2, WIDTH)
    add_norm("token_embd_norm")
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}.weight", WIDTH, WIDTH)
            add(f"blk.{layer}.{name}.bias", WIDTH)
        add_norm(f"blk.{layer}.attn_output_norm")
        add(f"blk.{layer}.ffn_up.weight", INNER, WIDTH)
        add(f"blk.{layer}.ffn_up.bias", INNER)
        add(f"blk.{layer}.ffn_down.weight", WIDTH, INNER)
        add(f"blk.{layer}.ffn_down.bias", WIDTH)
        add_norm(f"blk.{layer}.layer_output_norm")
