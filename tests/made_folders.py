"""Real MLX models of some 100 KB that a test makes itself: folders as the hub has them.

The same two kinds as in `made_models`, with the same tokens: *random* and *scripted*.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tests.made_models import (
    CHATML,
    FIRST_ADDED,
    HEAD_SIZE,
    IM_END,
    SPECIAL_TOKENS,
    UNREACHABLE,
    Matrix,
    byte_letters,
    normal,
    script_matrices,
    split_script,
    token_id,
)

Tensors = dict[str, npt.NDArray[np.generic]]
# Weights with one scale and one offset together.
GROUP = 64


def write_random_folder(
    folder: Path,
    *,
    context_length: int = 2048,
    seed: int = 0,
    layers: int = 2,
    width: int = 64,
    chat_template: str = CHATML,
    remembers: bool = True,
    bits: int = 0,
) -> Path:
    """A model whose completions are arbitrary bytes; it never ends by itself. `bits` 4: quantised. Without
    `remembers` the next token depends on the last one alone."""
    generator = np.random.default_rng(seed)
    embedding = normal(generator, FIRST_ADDED, width)
    output = normal(generator, FIRST_ADDED, width) * np.float32(np.sqrt(width))
    output[256:] = 0.0
    tensors = dict(_tensors(embedding, output, generator, layers, contributing=remembers))
    return _write(folder, [], tensors, context_length, layers, width, chat_template, bits)


def write_scripted_folder(
    folder: Path,
    text: str,
    *,
    context_length: int = 2048,
    eos: bool = True,
    loop: bool = False,
    layers: int = 1,
    width: int = 64,
    chat_template: str = CHATML,
    bits: int = 0,
) -> Path:
    """A model that answers `text` and ends; with `loop` says it over and over."""
    generator = np.random.default_rng(0)
    chunks = split_script(text.encode())
    script = [token_id(chunk, FIRST_ADDED + index) for index, chunk in enumerate(chunks)]
    embedding, output = script_matrices(script, width, eos=eos, loop=loop, generator=generator)
    tensors = dict(_tensors(embedding, output, generator, layers, contributing=False))
    return _write(folder, chunks, tensors, context_length, layers, width, chat_template, bits)


def _tensors(
    embedding: Matrix,
    output: Matrix,
    generator: np.random.Generator,
    layers: int,
    *,
    contributing: bool,
) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    width, inner = embedding.shape[1], 2 * embedding.shape[1]
    yield "model.embed_tokens.weight", embedding
    yield "lm_head.weight", output
    yield "model.norm.weight", np.ones(width, np.float32)
    shapes = {f"self_attn.{name}_proj": (width, width) for name in "qkvo"}
    shapes |= {"mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width)}
    shapes |= {"mlp.down_proj": (width, inner)}
    for layer in range(layers):
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"model.layers.{layer}.{name}.weight", np.ones(width, np.float32)
        for name, shape in shapes.items():
            silent = not contributing and name in ("self_attn.o_proj", "mlp.down_proj")
            tensor = np.zeros(shape, np.float32) if silent else normal(generator, *shape)
            yield f"model.layers.{layer}.{name}.weight", tensor


def _write(
    folder: Path,
    chunks: list[bytes],
    tensors: Tensors,
    context_length: int,
    layers: int,
    width: int,
    chat_template: str,
    bits: int,
) -> Path:
    folder.mkdir(parents=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": FIRST_ADDED + len(chunks),
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // HEAD_SIZE,
        "num_key_value_heads": width // HEAD_SIZE,
        "intermediate_size": 2 * width,
        "max_position_embeddings": context_length,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "eos_token_id": IM_END,
    }
    if bits:
        config["quantization"] = {"group_size": GROUP, "bits": bits}
        tensors = dict(_quantized(tensors, bits))
    halves = {
        name: tensor.astype(np.float16) if tensor.dtype == np.float32 else tensor
        for name, tensor in tensors.items()
    }
    save_file(halves, folder / "model.safetensors", metadata={"format": "mlx"})
    _tokenizer(chunks).save(str(folder / "tokenizer.json"))
    tokens = {"bos_token": None, "eos_token": "<|im_end|>", "chat_template": chat_template}
    for name, content in {"config.json": config, "tokenizer_config.json": tokens}.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def _quantized(tensors: Tensors, bits: int) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    """As MLX packs them: from the least bits on, each group with the least of its weights and a step."""
    for name, tensor in tensors.items():
        if tensor.ndim != 2:
            yield name, tensor
            continue
        groups = tensor.astype(np.float32).reshape(len(tensor), -1, GROUP)
        least, most = groups.min(axis=2), groups.max(axis=2)
        step = np.maximum((most - least) / (2**bits - 1), 1e-7)
        whole = np.rint((groups - least[..., None]) / step[..., None]).astype(np.uint32)
        places = np.arange(32 // bits, dtype=np.uint32) * np.uint32(bits)
        words = (whole.reshape(len(tensor), -1, 32 // bits) << places).sum(axis=2, dtype=np.uint32)
        owner = name.removesuffix(".weight")
        yield from ((name, words), (f"{owner}.scales", step), (f"{owner}.biases", least))


def _tokenizer(chunks: list[bytes]) -> Tokenizer:
    letters = dict(byte_letters())
    tokens = [letters[byte] for byte in range(256)]
    tokens += SPECIAL_TOKENS
    tokens += ["".join(letters[byte] for byte in chunk) for chunk in [UNREACHABLE, *chunks]]
    first, second = (letters[byte] for byte in UNREACHABLE)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[(first, second)]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer
