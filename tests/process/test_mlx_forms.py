"""Forms on MLX: what llguidance holds a model to, and what it refuses."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import llama_cpp
import psutil
import pytest
from msgspec.structs import replace

from inference.backends.candidates import only
from inference.backends.llama.sampler import _apply
from inference.backends.llama.vocabulary import Vocabulary
from inference.types import Failed, Finished, FinishReason, OutputFormat, SamplingParams
from tests.made_folders import write_random_folder
from tests.made_models import write_random_model
from tests.process.engines import needs_mlx
from tests.process.runner_process import RunnerProcess, failed, finished, running, text_of

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]
CHOICES = OutputFormat(choices=("yes", "no"))
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def arbitrary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerProcess]:
    with running(write_random_folder(tmp_path_factory.mktemp("forms") / "random")) as runner:
        yield runner


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vocabulary]:
    """The same as the folder's, with llama.cpp."""
    path = write_random_model(tmp_path_factory.mktemp("vocabulary") / "random.gguf")
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    yield Vocabulary(model)
    llama_cpp.llama_model_free(model)


GRAMMARS = (
    'root ::= ("ab" | "cd"){3} "."',
    'root ::= [a-c]* "c"',
    'root ::= ("a" | "ab") ("bc" | "d")',
    'root ::= word{2,4}\nword ::= [A-Za-zäö🦉]{1,3} (" " | "\\n")',
    'root ::= item | item ", " root\nitem ::= [0-9] | "(" root ")"',
    r'root ::= "\"" [^"\\\x7F\x00-\x1F\uD800-\uDFFF]{0,8} "\"" .',
)
FREE = SamplingParams(temperature=5.0, top_k=0, top_p=1.0, min_p=0.0, max_tokens=400)


def is_whole(vocabulary: Vocabulary, grammar: str, text: str) -> bool:
    """By llama.cpp's own reading of the grammar."""
    sampler = llama_cpp.llama_sampler_init_grammar(vocabulary.handle, grammar.encode(), b"root")
    try:
        for token in [*vocabulary.tokenize(text), vocabulary.eos]:
            candidates = only([token])
            _apply(sampler, candidates)
            if candidates["logit"][0] == -math.inf:
                return False
            llama_cpp.llama_sampler_accept(sampler, token)
    finally:
        llama_cpp.llama_sampler_free(sampler)
    return True


@needs_mlx
@pytest.mark.parametrize("grammar", GRAMMARS)
def test_what_is_written_under_a_grammar_fits_it_by_llama_cpps_reading(
    arbitrary, vocabulary, grammar
):
    texts = set()
    for seed in range(20):
        sampling = replace(FREE, seed=seed, output=OutputFormat(grammar=grammar))
        events = arbitrary.complete("x", sampling)
        assert finished(events).reason is FinishReason.STOP
        texts.add(text_of(events))

    assert len(texts) > 1
    assert [text for text in texts if not is_whole(vocabulary, grammar, text)] == []


@needs_mlx
def test_every_text_of_a_small_grammar_can_be_written(arbitrary):
    """Also where one part could take what belongs to the next."""
    output = OutputFormat(grammar='root ::= ("a" | "ab") ("bc" | "d")')
    texts = {
        text_of(arbitrary.complete("x", replace(FREE, seed=seed, output=output)))
        for seed in range(200)
    }

    assert texts == {"abc", "ad", "abbc", "abd"}


ENDLESS = '{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}'


@needs_mlx
@pytest.mark.parametrize(
    ("output", "words"),
    [
        (OutputFormat(grammar="root ::= missing"), "no rule “missing”"),
        (OutputFormat(grammar="root ::= root"), "nothing that could be said"),
        (OutputFormat(json_schema=ENDLESS), "nothing that could be said"),
        (OutputFormat(json_schema='{"type": "nonsense"}'), "nonsense"),
        (OutputFormat(json_schema='{"$ref": "#/nowhere"}'), "/nowhere"),
        (OutputFormat(json_schema='{"format": "zork", "type": "string"}'), "zork"),
        (OutputFormat(json_schema='{"oneOf": [{"type": "null"}, {"type": "null"}]}'), "“anyOf”"),
        (OutputFormat(grammar='root ::= ((("a"{1000}){1000}){1000})'), "too complex"),
    ],
)
def test_a_form_that_mlx_cannot_hold_to_is_refused_or_ended_in_words(arbitrary, output, words):
    events = arbitrary.complete("x", SamplingParams(output=output))

    assert words in failed(events).error.message
    assert text_of(arbitrary.complete("x", SamplingParams(output=CHOICES))) in CHOICES.choices


HOSTILE: dict[str, dict[str, object]] = {
    "nested arrays": {"minItems": 1000, "maxItems": 1000},
    "long texts": {
        "properties": {str(n): {"type": "string", "maxLength": 1000} for n in range(200)}
    },
    "cases of cases": {
        "allOf": [
            {"anyOf": [{"properties": {f"{n} {m}": {"type": "string"}}} for m in range(12)]}
            for n in range(12)
        ]
    },
}


@needs_mlx
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_neither_stops_nor_fills_the_runner(arbitrary, name):
    schema: dict[str, object] = HOSTILE[name]
    for _ in range(13 if name == "nested arrays" else 0):
        schema = {"items": schema, **HOSTILE[name]}
    before = psutil.Process(arbitrary.process.pid).memory_info().rss
    arbitrary.start(
        name,
        "x",
        SamplingParams(max_tokens=60, output=OutputFormat(json_schema=json.dumps(schema))),
    )
    arbitrary.read_to_end(name)

    assert isinstance(arbitrary.of(name)[-1], Finished | Failed)
    assert psutil.Process(arbitrary.process.pid).memory_info().rss < before + 256 * MIB
    assert text_of(arbitrary.complete("x", SamplingParams(output=CHOICES))) in CHOICES.choices
