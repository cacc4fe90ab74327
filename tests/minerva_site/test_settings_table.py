from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from minerva_site.configuration import Configuration
from minerva_site.settings_table import settings_page


def test_the_page_in_docs_is_the_one_made_from_the_settings():
    call_command("settings_table", "--check")


def test_every_setting_has_a_row_with_its_meaning():
    page = settings_page()

    for name, field in Configuration.model_fields.items():
        assert f"| `MINERVA_{name.upper()}` |" in page
        assert field.description
        assert field.description in page


def test_types_bounds_defaults_and_options_are_told():
    page = settings_page()

    assert (
        "| `MINERVA_PORT` | whole number, 0 to 65,535 | `8463` "
        "| Port of the web server; 0 takes a free one. | `--port` |"
    ) in page
    assert "| `MINERVA_MODEL_DIRS` | list of paths (JSON) | `[]` |" in page


def test_the_values_of_a_choice_are_told():
    assert "| `f16` or `q8_0` or `q4_0` | `f16` |" in settings_page()


def test_a_page_out_of_date_is_refused_with_the_command_that_mends_it(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "settings.md").write_text("# Old\n")

    with pytest.raises(CommandError, match=r"Run: manage.py settings_table"):
        call_command("settings_table", "--check")

    call_command("settings_table")

    call_command("settings_table", "--check")
