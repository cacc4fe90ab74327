"""What engines can do is one table: in the code, and in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.backends.capabilities import Feature, table
from inference.engines import ENGINES, LLAMA_CPP, MLX
from inference.errors import InvalidRequest
from inference.types import OutputFormat, SamplingParams

PAGE = Path(__file__).resolve().parents[3] / "docs" / "engines.md"


def test_the_table_in_the_docs_is_that_of_the_code():
    assert f"\n\n{table(ENGINES)}\n" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("feature", "sampling"),
    [
        (Feature.DRY, SamplingParams(dry_multiplier=0.5)),
        (Feature.MIROSTAT, SamplingParams(mirostat=1)),
        (Feature.STRUCTURED_OUTPUT, SamplingParams(output=OutputFormat(choices=("yes",)))),
    ],
)
def test_a_request_is_checked_against_the_table(feature, sampling):
    for one in (LLAMA_CPP, MLX):
        one.check(SamplingParams())
        if feature in one.features:
            one.check(sampling)
        else:
            with pytest.raises(InvalidRequest, match=f"{one.name} does not do this"):
                one.check(sampling)
