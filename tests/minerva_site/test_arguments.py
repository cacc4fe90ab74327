from __future__ import annotations

from minerva_site.arguments import export_serve_options


def exported(*words: str) -> dict[str, str]:
    environment = {"MINERVA_PORT": "1"}
    export_serve_options(words, environment)
    return environment


def test_options_override_the_environment():
    assert exported("--port", "9000", "--data-dir=/tmp/x", "--host", "::1") == {
        "MINERVA_PORT": "9000",
        "MINERVA_DATA_DIR": "/tmp/x",
        "MINERVA_HOST": "::1",
    }


def test_what_is_not_given_stays_as_the_environment_has_it():
    assert exported() == {"MINERVA_PORT": "1"}


def test_options_of_other_kinds_are_left_to_the_command():
    assert exported("-v", "2", "--no-color") == {"MINERVA_PORT": "1"}


def test_an_option_without_its_value_is_left_to_the_command():
    assert exported("--port") == {"MINERVA_PORT": "1"}
