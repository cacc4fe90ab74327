"""The guide as a GGUF file, written from trained weights and read back again.

llama.cpp rotates neighbouring numbers of a head where Hugging Face rotates its halves, so the rows
of q and k change places on the way (as llama.cpp's converter does). Matrices are Q8_0, in which 32
weights share a scale; vectors stay 32 bit. Embeddings are tied: there is no `output.weight`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from guide.shape import Shape
from guide.tokenizer import CHAT_TEMPLATE, END_OF_TEXT, IM_END, SPECIAL_TOKENS, merges_of

NAME = "Minerva guide"
Q8_0 = gguf.GGMLQuantizationType.Q8_0
Weights = dict[str, npt.NDArray[np.float32]]

OUTER_TENSORS = {"token_embd": "embed_tokens", "output_norm": "norm"}
BLOCK_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class GuideModel:
    """`weights` under Hugging Face's names, without the leading `model.`."""

    shape: Shape
    weights: Weights
    tokenizer: Tokenizer


def write_gguf(path: Path, model: GuideModel) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    _add_shape(writer, model.shape)
    _add_tokenizer(writer, model.tokenizer)
    for name, source, heads in _tensors(model.shape):
        tensor = model.weights[source]
        tensor = _neighbours(tensor, heads) if heads else tensor
        if tensor.ndim == 1:
            writer.add_tensor(name, tensor)
        else:
            writer.add_tensor(name, gguf.quants.quantize(tensor, Q8_0), raw_dtype=Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_gguf(path: Path) -> GuideModel:
    """The weights as llama.cpp sees them: what Q8_0 left of them, as 32-bit numbers."""
    reader = gguf.GGUFReader(path)
    shape = _read_shape(reader)
    tensors = {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        for tensor in reader.tensors
    }
    weights = {
        source: _halves(tensors[name], heads) if heads else tensors[name]
        for name, source, heads in _tensors(shape)
    }
    return GuideModel(shape, weights, _read_tokenizer(reader))


def _tensors(shape: Shape) -> Iterator[tuple[str, str, int]]:
    """Name in GGUF, name in Hugging Face's layout, and of how many heads rows change places."""
    for name, source in OUTER_TENSORS.items():
        yield f"{name}.weight", f"{source}.weight", 0
    rotated = {"attn_q": shape.heads, "attn_k": shape.kv_heads}
    for layer in range(shape.layers):
        for name, source in BLOCK_TENSORS.items():
            yield (
                f"blk.{layer}.{name}.weight",
                f"layers.{layer}.{source}.weight",
                rotated.get(name, 0),
            )


def _neighbours(tensor: npt.NDArray[np.float32], heads: int) -> npt.NDArray[np.float32]:
    """Rows of each head from (first half, second half) to pairs."""
    rows, columns = tensor.shape
    halves = tensor.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))


def _halves(tensor: npt.NDArray[np.float32], heads: int) -> npt.NDArray[np.float32]:
    """The way back."""
    rows, columns = tensor.shape
    pairs = tensor.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows, columns))


def _add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name(NAME)
    writer.add_size_label("3M")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.context_length)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_vocab_size(shape.vocabulary_size)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in SPECIAL_TOKENS else normal for token in tokens])
    writer.add_token_merges([f"{left} {right}" for left, right in merges_of(tokenizer)])
    writer.add_eos_token_id(vocabulary[IM_END])
    writer.add_eot_token_id(vocabulary[IM_END])
    writer.add_pad_token_id(vocabulary[END_OF_TEXT])
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _read_shape(reader: gguf.GGUFReader) -> Shape:
    def number(name: str) -> float:
        return float(reader.fields[f"llama.{name}"].contents())

    return Shape(
        vocabulary_size=int(number("vocab_size")),
        width=int(number("embedding_length")),
        layers=int(number("block_count")),
        heads=int(number("attention.head_count")),
        kv_heads=int(number("attention.head_count_kv")),
        inner=int(number("feed_forward_length")),
        context_length=int(number("context_length")),
        rope_base=number("rope.freq_base"),
        norm_epsilon=number("attention.layer_norm_rms_epsilon"),
    )


def _read_tokenizer(reader: gguf.GGUFReader) -> Tokenizer:
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    merges = reader.fields["tokenizer.ggml.merges"].contents()
    vocabulary = {token: index for index, token in enumerate(tokens)}
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer
