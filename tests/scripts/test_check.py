from __future__ import annotations

import sys
from pathlib import Path

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


def test_a_test_that_failed_is_asked_once_more_and_told_of(tmp_path, capfd):
    """The first one fails at its first run only."""
    (tmp_path / "test_it.py").write_text(
        "from pathlib import Path\n"
        "def test_at_second_try():\n"
        f"    mark = Path({str(tmp_path / 'mark')!r})\n"
        "    was_there = mark.exists()\n"
        "    mark.touch()\n"
        "    assert was_there\n"
        "def test_other(): pass\n"
    )

    check.check([("tests", pytest_of(tmp_path))])

    assert "test_at_second_try" in capfd.readouterr().out
    total = check.count(tmp_path)
    assert (total["passed"], total["failed"], total["again"]) == (2, 0, 1)


@pytest.mark.parametrize("num_broken", [1, check.MOST_ASKED_AGAIN + 1])
def test_what_fails_twice_or_in_numbers_fails(tmp_path, num_broken):
    (tmp_path / "test_it.py").write_text(
        f"import pytest\n@pytest.mark.parametrize('one', range({num_broken}))\n"
        "def test_broken(one): assert False\n"
    )

    with pytest.raises(SystemExit):
        check.check([("tests", pytest_of(tmp_path))])

    assert check.count(tmp_path)["failed"] == num_broken
    assert (tmp_path / "tests-again.xml").exists() == (num_broken == 1)


def pytest_of(folder: Path) -> list[str]:
    """A run of its own, with neither our settings nor our plug-ins."""
    options = [
        "-q",
        "-p",
        "no:django",
        "-p",
        "no:randomly",
        f"--rootdir={folder}",
        "-c",
        "/dev/null",
    ]
    report = f"--junitxml={folder / 'tests.xml'}"
    return [
        sys.executable,
        "-m",
        "pytest",
        *options,
        "-o",
        f"cache_dir={folder}",
        str(folder),
        report,
    ]


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
