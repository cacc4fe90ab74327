"""The same weights as a Hugging Face folder, which MLX and transformers read.

Made from the GGUF file alone, so both engines compute with the same numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import save_file

from guide.gguf_file import GuideModel, read_gguf
from guide.shape import Shape
from guide.tokenizer import CHAT_TEMPLATE, END_OF_TEXT, IM_END


def write_huggingface(gguf_file: Path, folder: Path) -> None:
    """Config, tokenizer and weights (32 bit) into `folder`, which is made if it is not there."""
    model = read_gguf(gguf_file)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {f"model.{name}": tensor for name, tensor in model.weights.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model.tokenizer.save(str(folder / "tokenizer.json"))
    for name, content in _configuration(model).items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")


def _configuration(model: GuideModel) -> dict[str, dict[str, object]]:
    end = model.tokenizer.token_to_id(IM_END)
    pad = model.tokenizer.token_to_id(END_OF_TEXT)
    ids = {"bos_token_id": None, "eos_token_id": end, "pad_token_id": pad}
    return {
        "config.json": _config(model.shape) | ids,
        "generation_config.json": {"do_sample": False, **ids},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": None,
            "add_bos_token": False,
            "eos_token": IM_END,
            "pad_token": END_OF_TEXT,
            "clean_up_tokenization_spaces": False,
            "model_max_length": model.shape.context_length,
            "chat_template": CHAT_TEMPLATE,
        },
    }


def _config(shape: Shape) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary_size,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "intermediate_size": shape.inner,
        "max_position_embeddings": shape.context_length,
        "rope_theta": shape.rope_base,
        "rms_norm_eps": shape.norm_epsilon,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }
