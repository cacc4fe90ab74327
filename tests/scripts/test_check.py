from __future__ import annotations

import sys

import check
import pytest

XML = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'


def test_the_first_check_that_fails_ends_the_run_and_is_named(tmp_path, capfd):
    mark = tmp_path / "mark"
    steps = [
        ("first", [sys.executable, "-c", ""]),
        ("second", [sys.executable, "-c", "raise SystemExit(3)"]),
        ("third", [sys.executable, "-c", f"open({str(mark)!r}, 'w')"]),
    ]

    with pytest.raises(SystemExit) as caught:
        check.check(steps)

    assert caught.value.code == 3
    assert "Stopped at: second" in capfd.readouterr().out
    assert not mark.exists()


def test_the_results_of_all_runs_are_counted_together(tmp_path):
    (tmp_path / "a.xml").write_text(XML.format(10, 1, 1, 2))
    (tmp_path / "b.xml").write_text(XML.format(5, 0, 0, 0))

    total = check.count(tmp_path)

    assert (total["passed"], total["failed"], total["skipped"]) == (11, 2, 2)


def test_settings_of_the_person_do_not_reach_the_tests(monkeypatch):
    monkeypatch.setenv("MINERVA_PORT", "1")
    monkeypatch.setenv("MINERVA_REQUIRE_BROWSER", "1")

    environment = check.environment("/tmp/data")

    assert "MINERVA_PORT" not in environment
    assert environment["MINERVA_DATA_DIR"] == "/tmp/data"
    assert environment["MINERVA_REQUIRE_BROWSER"] == "1"


def test_browser_tests_are_a_run_of_their_own(tmp_path):
    unit, browser = [command for _, command in check.test_steps(tmp_path)]

    assert "--ignore=tests/e2e" in unit
    assert "tests/e2e" in browser
