"""Real GGUF models of 1-3 MB that a test makes itself, in a fraction of a second.

*random*: random weights, real attention, deterministic under greedy decoding: right for batches,
caches, cancelling and limits. *scripted*: attention and MLP add nothing, so the next token is a
function of the last one, and the completion is exactly the given text, whatever the prompt and the
sampling. Both have a real byte-level tokenizer: one token for each byte of a prompt, and ChatML's
special tokens. Chunks of a script are tokens that no prompt can tokenise to (no merge leads to
them), so a prompt, even one that quotes the script, always ends in a token that starts it.

Slowness is real: more `layers` and `width` make every token cost more (30 and 576, a 135M model's
shape, make a file of about 220 MB and some 20 ms a token on two cores).

By hand: `python -m tests.made_models scripted OUT.gguf --text-file F`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

# Refuses two turns of one role that follow each other.
ALTERNATES = (
    "{% for message in messages %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}"
    "{% endif %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{{ message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
IM_END = 256 + SPECIAL_TOKENS.index("<|im_end|>")
# No UTF-8 text holds these bytes, so the one merge a tokenizer must have never applies.
UNREACHABLE = b"\xfe\xff"
FIRST_ADDED = 256 + len(SPECIAL_TOKENS) + 1

HEAD_SIZE = 32
WINNING_LOGIT = 1000.0

Matrix = npt.NDArray[np.float32]


def write_random_model(
    path: Path,
    *,
    context_length: int = 2048,
    seed: int = 0,
    layers: int = 2,
    width: int = 64,
    name: str = "",
    chat_template: str | None = CHATML,
    remembers: bool = True,
    printable: bool = False,
    unused_tokens: int = 0,
    head_size: int = HEAD_SIZE,
    kv_heads: int = 0,
    inner: int = 0,
    quantized: bool = False,
    key_length: int = 0,
    sliding_window: int = 0,
) -> Path:
    """A model whose completions are arbitrary bytes, or ASCII ones if `printable`; it never ends by
    itself. `unused_tokens` more make its vocabulary larger. `kv_heads` 0: as many as heads; `inner` 0: twice
    the width. `quantized`: as Q8_0, else F16. `key_length`: of a head, where that is not its share of the
    width. With a `sliding_window`, three of four layers have it.

    Batches of another size round otherwise, by up to 0.05 in a logit where attention takes part. If
    that must not matter: without `remembers` the next token depends on the last one alone.
    """
    generator = np.random.default_rng(seed)
    num_tokens = FIRST_ADDED + unused_tokens
    embedding = normal(generator, num_tokens, width)
    output = normal(generator, num_tokens, width) * np.float32(np.sqrt(width))
    output[256:] = 0.0  # a special token never wins against the best of 95 random logits
    if printable:
        output[:32] = output[127:] = 0.0
    unused = [f"unused{number}".encode() for number in range(unused_tokens)]
    architecture = "cohere2" if sliding_window else "llama"
    writer = _writer(
        path,
        unused,
        context_length,
        layers,
        width,
        name,
        chat_template,
        head_size,
        architecture,
        key_length,
    )
    kv_heads, inner = kv_heads or width // head_size, inner or 2 * width
    if key_length:
        writer.add_key_length(key_length)
        writer.add_value_length(key_length)
    if sliding_window:
        writer.add_sliding_window(sliding_window)
        writer.add_logit_scale(1.0)
        writer.add_layer_norm_eps(1e-5)
    writer.add_head_count_kv(kv_heads)
    writer.add_feed_forward_length(inner)
    _add_tensors(
        writer,
        embedding,
        output,
        generator,
        layers=layers,
        contributing=remembers,
        kv_width=kv_heads * (key_length or head_size),
        inner=inner,
        quantized=quantized,
        q_width=width // head_size * (key_length or head_size),
        is_cohere=sliding_window > 0,
    )
    return _write(writer, path)


def write_scripted_model(
    path: Path,
    text: str,
    *,
    context_length: int = 2048,
    eos: bool = True,
    loop: bool = False,
    layers: int = 1,
    width: int = 64,
    name: str = "",
    chat_template: str | None = CHATML,
) -> Path:
    """A model that answers `text` and ends; with `loop` says it over and over; without `eos` its
    last chunk for ever. Characters of several bytes are mostly split over two tokens."""
    generator = np.random.default_rng(0)
    chunks = split_script(text.encode())
    script = [token_id(chunk, FIRST_ADDED + index) for index, chunk in enumerate(chunks)]
    embedding, output = script_matrices(script, width, eos=eos, loop=loop, generator=generator)
    writer = _writer(path, chunks, context_length, layers, width, name, chat_template)
    writer.add_head_count_kv(width // HEAD_SIZE)
    writer.add_feed_forward_length(2 * width)
    _add_tensors(
        writer,
        embedding,
        output,
        generator,
        layers=layers,
        contributing=False,
        kv_width=width,
        inner=2 * width,
    )
    return _write(writer, path)


def split_script(data: bytes) -> list[bytes]:
    """Cut into chunks of about four bytes, each unlike all others, as a vocabulary has no duplicates
    (text that repeats itself gets longer chunks)."""
    seen = {UNREACHABLE, *(token.encode() for token in SPECIAL_TOKENS)}
    chunks: list[bytes] = []
    start = 0
    for size in cycle((4, 3, 5)):
        end = start + size
        while data[start:end] in seen and end < len(data):
            end += 1
        if start >= len(data):
            return chunks
        chunks.append(data[start:end])
        while len(chunks) > 1 and (chunks[-1] in seen or len(chunks[-1]) == 1):
            last = chunks.pop()
            seen.discard(chunks[-1])
            chunks[-1] += last
        seen.add(chunks[-1])
        start = end
    raise AssertionError("cycle never ends")


def token_id(chunk: bytes, added: int) -> int:
    if chunk == b"\n":
        raise ValueError("every prompt ends in a newline, so it cannot be the whole script")
    return chunk[0] if len(chunk) == 1 else added


def script_matrices(
    script: list[int], width: int, *, eos: bool, loop: bool, generator: np.random.Generator
) -> tuple[Matrix, Matrix]:
    """Embeddings of ±1 (their norm is 1, in any precision), all tokens outside the script alike;
    the output row of each script token is the embedding of the one before it."""
    num_tokens = FIRST_ADDED + len(script)
    signs = generator.integers(0, 2, size=(num_tokens, width)).astype(np.float32) * 2 - 1
    start = signs[0].copy()
    embedding = np.tile(start, (num_tokens, 1))
    embedding[script] = signs[script]
    if loop and script:
        embedding[script[-1]] = start
    output = np.zeros((num_tokens, width), np.float32)
    for last, following in zip([0, *script], [*script, IM_END], strict=True):
        output[following] += embedding[last] if following != IM_END or (eos and not loop) else 0
    if script and not eos and not loop:
        output[script[-1]] += embedding[script[-1]]
    return embedding, output * np.float32(WINNING_LOGIT / width)


def normal(generator: np.random.Generator, rows: int, columns: int) -> Matrix:
    scale = np.float32(1 / np.sqrt(columns))
    return generator.standard_normal((rows, columns), dtype=np.float32) * scale


def _writer(
    path: Path,
    chunks: list[bytes],
    context_length: int,
    layers: int,
    width: int,
    name: str,
    chat_template: str | None,
    head_size: int = HEAD_SIZE,
    architecture: str = "llama",
    key_length: int = 0,
) -> gguf.GGUFWriter:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(name or path.stem)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(context_length)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_head_count(width // head_size)
    writer.add_rope_dimension_count(key_length or head_size)
    writer.add_layer_norm_rms_eps(1e-5)
    _add_tokenizer(writer, chunks)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    return writer


def _add_tokenizer(writer: gguf.GGUFWriter, chunks: list[bytes]) -> None:
    letters = dict(byte_letters())
    tokens = [letters[byte] for byte in range(256)]
    tokens += SPECIAL_TOKENS
    tokens += ["".join(letters[byte] for byte in chunk) for chunk in [UNREACHABLE, *chunks]]
    if len(chunks) == 1 and len(chunks[0]) == 1:
        tokens[-1] = "<|unused|>"
    types = [gguf.TokenType.NORMAL] * len(tokens)
    types[256 : 256 + len(SPECIAL_TOKENS)] = [gguf.TokenType.CONTROL] * len(SPECIAL_TOKENS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(letters[byte] for byte in UNREACHABLE)])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(IM_END)
    writer.add_add_bos_token(False)


def byte_letters() -> Iterator[tuple[int, str]]:
    """GPT-2's printable letter for each byte: itself where it prints, else one above U+0100."""
    moved = 0
    for byte in range(256):
        if 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte <= 255:
            yield byte, chr(byte)
        else:
            yield byte, chr(256 + moved)
            moved += 1


def _add_tensors(
    writer: gguf.GGUFWriter,
    embedding: Matrix,
    output: Matrix,
    generator: np.random.Generator,
    *,
    layers: int,
    contributing: bool,
    kv_width: int,
    inner: int,
    quantized: bool = False,
    q_width: int = 0,
    is_cohere: bool = False,
) -> None:
    """`is_cohere`: with one norm a layer, and no output matrix of its own."""
    width = embedding.shape[1]
    _add_tensor(writer, "token_embd", embedding.astype(np.float16), quantized=quantized)
    if not is_cohere:
        _add_tensor(writer, "output", output.astype(np.float16), quantized=quantized)
    _add_tensor(writer, "output_norm", np.ones(width, np.float32), quantized=False)
    q_width = q_width or width
    block = list(_block(generator, width, q_width, kv_width, inner, contributing=contributing))
    for layer in range(layers):
        for name, tensor in block:
            if is_cohere and name == "ffn_norm":
                continue
            _add_tensor(writer, f"blk.{layer}.{name}", tensor, quantized=quantized)


def _add_tensor(
    writer: gguf.GGUFWriter, name: str, tensor: npt.NDArray[np.generic], *, quantized: bool
) -> None:
    if quantized and tensor.ndim == 2:
        kind = gguf.GGMLQuantizationType.Q8_0
        blocks = gguf.quants.quantize(tensor.astype(np.float32), kind)
        writer.add_tensor(f"{name}.weight", blocks, raw_dtype=kind)
    else:
        writer.add_tensor(f"{name}.weight", tensor)


def _block(
    generator: np.random.Generator,
    width: int,
    q_width: int,
    kv_width: int,
    inner: int,
    *,
    contributing: bool,
) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    shapes = {
        "attn_q": (q_width, width),
        "attn_k": (kv_width, width),
        "attn_v": (kv_width, width),
        "attn_output": (width, q_width),
        "ffn_gate": (inner, width),
        "ffn_up": (inner, width),
        "ffn_down": (width, inner),
    }
    yield "attn_norm", np.ones(width, np.float32)
    yield "ffn_norm", np.ones(width, np.float32)
    for name, shape in shapes.items():
        silent = not contributing and name in ("attn_output", "ffn_down")
        tensor = np.zeros(shape, np.float32) if silent else normal(generator, *shape)
        yield name, tensor.astype(np.float16)


def _write(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a small GGUF model for trying things out.")
    parser.add_argument("kind", choices=["random", "scripted"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--text-file", type=Path, help="what the scripted model answers")
    parser.add_argument("--context-length", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--loop", action="store_true", help="say the text over and over")
    options = parser.parse_args()
    shape = {name: getattr(options, name) for name in ("context_length", "layers", "width")}
    if options.kind == "random":
        write_random_model(options.path, **shape)
    elif options.text_file is None:
        parser.error("a scripted model needs --text-file")
    else:
        text = options.text_file.read_text(encoding="utf-8")
        write_scripted_model(options.path, text, loop=options.loop, **shape)


if __name__ == "__main__":
    main()
