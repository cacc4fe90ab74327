from __future__ import annotations

from uuid import UUID

import pytest

from models_app.models import CatalogEntry
from models_app.naming import api_names, resolve
from models_app.tuning import ModelSettings


def uuid_of(number: int) -> UUID:
    return UUID(int=number << 96)


def entry(number: int, name: str, quantization: str = "", *, aliases: str = "") -> CatalogEntry:
    entry = CatalogEntry(pk=uuid_of(number), name=name, quantization=quantization)
    entry.own = ModelSettings(entry=entry, aliases=aliases)
    return entry


def test_a_name_of_its_own_is_enough():
    one, other = entry(1, "Night", "Q8_0"), entry(2, "Day")

    assert api_names([one, other]) == {"Night": one, "Day": other}


def test_models_of_one_name_are_told_apart_by_quantization_and_else_by_id():
    small, large = entry(1, "Night", "Q4_K_M"), entry(2, "Night", "Q8_0")
    assert set(api_names([small, large])) == {"Night:Q4_K_M", "Night:Q8_0"}

    twin = entry(3, "Night", "Q8_0")
    assert api_names([small, large, twin]) == {
        "Night:Q4_K_M": small,
        "Night#00000002": large,
        "Night#00000003": twin,
    }


@pytest.mark.parametrize("name", ["Night", "night", "NIGHT", str(uuid_of(1))])
def test_a_model_is_found_by_name_in_any_case_and_by_id(name):
    one = entry(1, "Night")

    assert resolve(name, api_names([one, entry(2, "Day")])) == one


@pytest.mark.parametrize(
    "name", ["Nigh", "x" * 10_000, "\x00", "00000000-0000-0000-0000-00000000000z"]
)
def test_what_is_no_model_is_none(name):
    assert resolve(name, api_names([entry(1, "Night")])) is None


def test_another_name_means_the_same_model_unless_a_model_is_called_that():
    one, other = entry(1, "Night", aliases="gpt-4o\nDay"), entry(2, "Day")

    assert resolve("GPT-4O", api_names([one, other])) == one
    assert resolve("day", api_names([one, other])) == other
