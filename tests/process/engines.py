"""The engines that the same tests run over: how a test makes a model for one, and what it claims to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from inference.backends.capabilities import Capabilities, Feature
from inference.backends.llama_cpp import LlamaCppBackend
from inference.backends.mlx_lm import MLXBackend
from inference.hardware.mlx_install import DEFAULT_PYTHON, mlx_problem
from inference.remote.capabilities import REMOTE
from tests.made_folders import write_random_folder, write_scripted_folder
from tests.made_models import write_random_model, write_scripted_model
from tests.process.remote_servers import (
    Serving,
    llama_cpp_server,
    minerva,
    mlx_server,
    needs_llama_server,
)
from tests.process.runner_process import RunnerProcess, relaying, running

# Set up by `make test`, and by `make mlx`; not where its packages do not run.
needs_mlx = pytest.mark.skipif(
    mlx_problem(DEFAULT_PYTHON) != "", reason=mlx_problem(DEFAULT_PYTHON) or "MLX is here"
)


@dataclass(frozen=True)
class Engine:
    """`random` and `scripted` write a model of theirs; `ending` of its path. `seed`: of a random model whose
    best token leads by more than a batch is rounded. `serving`: the server that it is asked of, if it
    is not loaded here. `does`: what that server has of what depends on it; `lacks`: tests that it does
    not pass, and why."""

    capabilities: Capabilities
    random: Callable[..., Path]
    scripted: Callable[..., Path]
    ending: str
    seed: int
    name: str = ""
    serving: Serving | None = None
    does: frozenset[Feature] = frozenset()
    lacks: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name or self.capabilities.name

    def can(self, feature: Feature) -> bool:
        return feature in self.capabilities.features | self.does

    @contextmanager
    def running(self, path: Path, **settings: Any) -> Iterator[RunnerProcess]:
        """A runner that has loaded the model, here or from a server that has."""
        if self.serving is None:
            with running(path, **settings) as runner:
                yield runner
            return
        with (
            self.serving(path, settings.get("context_window", 2048)) as server,
            relaying(server.endpoint) as runner,
        ):
            yield runner


LLAMA_CPP = Engine(
    LlamaCppBackend.capabilities, write_random_model, write_scripted_model, ".gguf", seed=35
)
MLX = Engine(MLXBackend.capabilities, write_random_folder, write_scripted_folder, "", seed=35)

OF_ALL_SERVERS = {
    "test_a_prompt_is_cancelled_while_it_is_computed": "no server tells how far a prompt is",
    "test_a_next_turn_goes_on_from_what_is_kept_of_the_last_one": "no server is told of our users",
    "test_a_chat_that_does_not_fit_is_refused_or_goes_on_without_its_oldest_turns": "only the server counts",
    "test_a_completion_ends_where_the_context_window_does": "a window is the server's own",
    "test_a_hostile_template_fails_its_requests_and_nothing_else": "templates are the server's own",
}
SAMPLERS = "test_all_samplers_together_give_the_text_of_a_model_that_knows_what_to_say"
SPLITS = "test_a_text_becomes_tokens_and_tokens_become_the_text"
REMOTE_LLAMA_CPP = Engine(
    REMOTE,
    write_random_model,
    write_scripted_model,
    ".gguf",
    seed=35,
    name="llama_cpp.server",
    serving=llama_cpp_server,
    does=frozenset({Feature.MIROSTAT, Feature.STRUCTURED_OUTPUT}),
    lacks=OF_ALL_SERVERS
    | {
        SAMPLERS: "it has neither typical sampling nor XTC",
        SPLITS: "it tells no pieces",
        "test_a_cancelled_stream_ends_and_the_others_go_on_unchanged": "it answers one after the other",
    },
)
REMOTE_MLX = Engine(
    REMOTE,
    write_random_folder,
    write_scripted_folder,
    "",
    seed=35,
    name="mlx_lm.server",
    serving=mlx_server,
    lacks=OF_ALL_SERVERS
    | {
        SAMPLERS: "it has no typical sampling",
        SPLITS: "it does not split texts",
        "test_how_likely_tokens_were_is_told": "it tells that only where it does not stream",
    },
)
REMOTE_MINERVA = Engine(
    REMOTE,
    write_random_model,
    write_scripted_model,
    ".gguf",
    seed=35,
    name="another Minerva",
    serving=minerva,
    does=frozenset({Feature.DRY, Feature.MIROSTAT, Feature.STRUCTURED_OUTPUT, Feature.EMBEDDINGS}),
    lacks=OF_ALL_SERVERS,
)
ENGINES = [
    pytest.param(LLAMA_CPP, id="llama.cpp"),
    pytest.param(MLX, id="MLX", marks=needs_mlx),
    pytest.param(REMOTE_LLAMA_CPP, id="llama_cpp.server", marks=needs_llama_server),
    pytest.param(REMOTE_MLX, id="mlx_lm.server", marks=needs_mlx),
    pytest.param(REMOTE_MINERVA, id="Minerva"),
]
