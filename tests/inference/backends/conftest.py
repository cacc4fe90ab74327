from __future__ import annotations

from collections.abc import Iterator

import llama_cpp
import pytest

from inference.backends.llama.vocabulary import Vocabulary
from tests.made_models import write_random_model

UNUSED_TOKENS = 20_000


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vocabulary]:
    """A token for each byte, and 20,000 that are of no use."""
    path = tmp_path_factory.mktemp("vocabulary") / "large.gguf"
    write_random_model(path, unused_tokens=UNUSED_TOKENS)
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    yield Vocabulary(model)
    llama_cpp.llama_model_free(model)
