"""Every check in order, from fast to slow; stops at the first that fails and says which.

`python scripts/check.py all` is `make test`; `lint` leaves the tests out; `format` mends instead of
complaining. The browser tests are a pytest run of their own: Playwright leaves an event loop
running, and asyncio tests after it would fail.

Tests start processes, browsers and engines, and wait for them within limits. On a machine that others
use too, a few may run into one: those are asked once more, with nothing beside them, and are named.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from report import elapsed, say

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
Step = tuple[str, list[str]]
# Of pytest, by its exit status: it ran to its end, and tests failed.
TESTS_FAILED = 1
# More than this is no accident.
MOST_ASKED_AGAIN = 5
AGAIN = "-again.xml"


def lint_steps() -> list[Step]:
    return [
        ("ruff: faults and style", [tool("ruff"), "check", "."]),
        ("ruff: form", [tool("ruff"), "format", "--check", "."]),
        ("import rules between the parts", [tool("lint-imports"), "--no-cache", "--no-logo"]),
        ("templates: form", [tool("djade"), "--target-version=5.2", "--check", *templates()]),
        ("types (mypy, strict)", [tool("mypy"), "."]),
        (
            "migrations are complete",
            [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
        ),
    ]


def format_steps() -> list[Step]:
    return [
        ("ruff: what it can mend", [tool("ruff"), "check", "--fix", "."]),
        ("ruff: form", [tool("ruff"), "format", "."]),
        ("templates: form", [tool("djade"), "--target-version=5.2", *templates()]),
    ]


def test_steps(reports: Path) -> list[Step]:
    pytest = [sys.executable, "-m", "pytest", "-q"]
    return [
        (
            "tests: units, pages, engine, processes",
            [*pytest, "tests", "--ignore=tests/e2e", f"--junitxml={reports / 'tests.xml'}"],
        ),
        (
            "tests: the running product in a browser",
            [*pytest, "tests/e2e", f"--junitxml={reports / 'e2e.xml'}"],
        ),
    ]


def tool(name: str) -> str:
    return str(BIN / name)


def templates() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("templates/**/*.html"))


def check(steps: list[Step]) -> None:
    """Raises SystemExit with the first step's status that is not 0."""
    for number, (name, command) in enumerate(steps, start=1):
        say(f"\n[{number}/{len(steps)}] {name}")
        started_at = time.monotonic()
        status = run(command)
        if status == TESTS_FAILED and "pytest" in command:
            status = ask_again(command)
        if status != 0:
            say(f"\nStopped at: {name}. To run it alone: {shown(command)}")
            raise SystemExit(status)
        say(f"      fine ({elapsed(time.monotonic() - started_at)})")


def run(command: list[str]) -> int:
    with TemporaryDirectory(prefix="minerva-check-") as data_dir:
        return subprocess.run(command, cwd=ROOT, env=environment(data_dir), check=False).returncode


def ask_again(command: list[str]) -> int:
    """Runs what failed by itself. Returns the exit status that counts."""
    [report] = [part for part in command if part.startswith("--junitxml=")]
    failed = names_of_failed(Path(report.removeprefix("--junitxml=")))
    if not 0 < len(failed) <= MOST_ASKED_AGAIN:
        return TESTS_FAILED
    say("\nAsked once more, alone:", *failed, sep="\n  ")
    others = [part for part in command if part != report]
    return run([*others, "--last-failed", report.replace(".xml", AGAIN)])


def names_of_failed(report: Path) -> list[str]:
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314  # we wrote it
    return [
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]


def mend(steps: list[Step]) -> None:
    """A tool that changed something may say so with its status; only the second run tells."""
    for _, command in steps:
        subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    check(steps)


def environment(data_dir: str) -> dict[str, str]:
    """The person's own Minerva, its settings and its data, must not reach the checks."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MINERVA_")}
    if "MINERVA_REQUIRE_BROWSER" in os.environ:
        kept["MINERVA_REQUIRE_BROWSER"] = os.environ["MINERVA_REQUIRE_BROWSER"]
    return kept | {"MINERVA_DATA_DIR": data_dir}


def shown(command: list[str]) -> str:
    parts = [part.replace(f"{ROOT}/", "") for part in command if not part.startswith("--junit")]
    return " ".join(parts)


def count(reports: Path) -> Counter[str]:
    """Passed, failed and skipped of all pytest runs together; `again`: had failed at the first try."""
    total = Counter[str]()
    for report in sorted(reports.glob("*.xml")):
        for suite in ElementTree.parse(report).iter("testsuite"):  # noqa: S314  # we wrote it
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            total["passed"] += int(suite.get("tests", 0)) - failed - skipped
            total["failed"] += failed
            if report.name.endswith(AGAIN):
                total["again"] += int(suite.get("tests", 0))
                total["failed"] -= int(suite.get("tests", 0))
            total["skipped"] += skipped
    return total


def run_all() -> None:
    started_at = time.monotonic()
    with TemporaryDirectory(prefix="minerva-check-") as folder:
        try:
            check(lint_steps() + test_steps(Path(folder)))
        finally:
            if total := count(Path(folder)):
                say(
                    f"\n{total['passed']} passed, {total['failed']} failed, "
                    f"{total['skipped']} skipped in {elapsed(time.monotonic() - started_at)}; "
                    f"{total['again']} asked again"
                )


COMMANDS: dict[str, Callable[[], None]] = {
    "all": run_all,
    "lint": lambda: check(lint_steps()),
    "format": lambda: mend(format_steps()),
}

if __name__ == "__main__":
    try:
        COMMANDS[sys.argv[1]]()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted.")
