"""What kinds of servers there are, told by how they list their models, and what each takes besides what
OpenAI's API has. A server that is not known is sent nothing that it might refuse.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LLAMA_SERVER_FIELDS = {
    name: name
    for name in (
        *("top_k", "min_p", "typical_p", "dynatemp_range", "dynatemp_exponent"),
        *("repeat_penalty", "repeat_last_n", "xtc_probability", "xtc_threshold"),
        *("dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n"),
        *("mirostat", "mirostat_tau", "mirostat_eta"),
    )
}
HUGGING_FACE_FIELDS = {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"}


@dataclass(frozen=True)
class Kind:
    """`fields`: our names of what it takes, and its own. `schemas`, `grammars`: it holds answers to them.
    `tokens`: where it splits texts, below the address of its machine. `template_options`: it takes
    variables of the chat template. `separates`: it tells thinking and tool calls apart from the answer. `stops`: it stops at stop sequences.
    `longest`: so many tokens are asked for where a request names no number, because it would stop early.
    """

    name: str
    fields: dict[str, str] = field(default_factory=dict)
    schemas: bool = True
    grammars: bool = False
    tokens: str = ""
    template_options: bool = False
    separates: bool = True
    stops: bool = True
    longest: int | None = None


MINERVA = Kind(
    "Minerva", LLAMA_SERVER_FIELDS, grammars=True, tokens="/tokenize", template_options=True
)
LLAMA_SERVER = Kind(
    "llama.cpp's server",
    LLAMA_SERVER_FIELDS,
    grammars=True,
    tokens="/tokenize",
    template_options=True,
)
LLAMA_CPP_PYTHON = Kind(
    "llama-cpp-python",
    {
        **{name: name for name in ("top_k", "min_p", "repeat_penalty")},
        "mirostat": "mirostat_mode",
        "mirostat_tau": "mirostat_tau",
        "mirostat_eta": "mirostat_eta",
    },
    grammars=True,
    tokens="/extras/tokenize",
    separates=False,
)
VLLM = Kind("vLLM", HUGGING_FACE_FIELDS, tokens="/tokenize", template_options=True)
SGLANG = Kind("SGLang", HUGGING_FACE_FIELDS, template_options=True)
OLLAMA = Kind("Ollama")
LM_STUDIO = Kind("LM Studio", {"top_k": "top_k", "repeat_penalty": "repeat_penalty"})
MLX_LM = Kind(
    "mlx-lm",
    HUGGING_FACE_FIELDS
    | {name: name for name in ("xtc_probability", "xtc_threshold")}
    | {"repeat_last_n": "repetition_context_size"},
    schemas=False,
    # It compares tokens, and takes a sequence out of the text that these do not cut as it does.
    stops=False,
    # It tells thinking apart for the templates that it knows.
    separates=False,
    template_options=True,
    longest=32_768,
)
OTHER = Kind("of an unknown kind")
BY_OWNER = {
    "minerva": MINERVA,
    "llamacpp": LLAMA_SERVER,
    "me": LLAMA_CPP_PYTHON,
    "vllm": VLLM,
    "sglang": SGLANG,
    "library": OLLAMA,
    "organization_owner": LM_STUDIO,
    # OpenAI's API knows no model without an owner.
    "": MLX_LM,
}


def kind_of(owned_by: str) -> Kind:
    return BY_OWNER.get(owned_by, OTHER)
