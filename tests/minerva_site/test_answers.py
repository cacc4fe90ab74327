"""What is true of every answer, and of the reports that browsers send."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.core.cache import cache
from django.urls import get_resolver

from accounts.models import User
from minerva_site.logs import LineFormatter

PUBLIC = {
    "/healthz",
    "/readyz",
    "/csp-report",
    "/setup/",
    "/sign-in/",
    "/v1/health",
    "/openapi.json",
}
# A program is told so, in JSON; there is nothing that it could sign in to.
OF_PROGRAMS = ("/v1/", "/tokenize", "/detokenize", "/metrics", "/openapi.json")


@pytest.fixture(autouse=True)
def no_earlier_reports() -> None:
    cache.clear()


@pytest.fixture
def administrator(db) -> User:
    return User.objects.create_superuser("alice", password="correct horse battery")


def send_report(client, body: bytes):
    return client.post("/csp-report", body, content_type="application/csp-report")


def paths_without_arguments() -> list[str]:
    """Each address that needs no id, from the routes themselves."""
    resolver: Any = get_resolver()
    found = []
    for name, (possibilities, *_) in resolver.reverse_dict.items():
        if callable(name):
            found += ["/" + route for route, arguments in possibilities if not arguments]
    for prefix, nested in resolver.namespace_dict.values():
        for name, (possibilities, *_) in nested.reverse_dict.items():
            if callable(name):
                found += [
                    f"/{prefix}{route}" for route, arguments in possibilities if not arguments
                ]
    return sorted(set(found))


def test_the_routes_are_found():
    assert {"/", "/healthz", "/sign-in/", "/models/"} <= set(paths_without_arguments())


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_nothing_but_the_public_pages_answers_a_stranger(client, administrator, method):
    for path in set(paths_without_arguments()) - PUBLIC:
        answer = getattr(client, method)(path)
        if path.startswith(OF_PROGRAMS):
            assert answer.status_code in (401, 405), path
            continue
        assert answer.status_code == 302, path
        assert answer["Location"].startswith("/sign-in/"), path


@pytest.mark.django_db
def test_pages_are_not_kept_by_browsers_and_static_files_are(client, administrator):
    from django.templatetags.static import static

    page = client.get("/sign-in/")
    style = client.get(static("css/base.css"))

    assert page["Cache-Control"] == "no-store"
    assert "immutable" in style["Cache-Control"]
    assert style["Content-Security-Policy"] == page["Content-Security-Policy"]
    assert style["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in style


@pytest.mark.django_db
def test_a_report_of_the_browser_is_logged_without_query_strings(client, caplog):
    report = {
        "csp-report": {
            "document-uri": "http://testserver/setup/?token=secret",
            "effective-directive": "script-src-elem",
            "blocked-uri": "inline",
        }
    }

    answer = send_report(client, json.dumps(report).encode())

    assert answer.status_code == 204
    assert "script-src-elem" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"csp-report": 1}', b"\xff", b"x" * 100_000])
def test_a_report_that_makes_no_sense_is_answered_all_the_same(client, body):
    assert send_report(client, body).status_code == 204


@pytest.mark.django_db
def test_reports_are_logged_in_small_numbers(client, caplog):
    for _ in range(30):
        send_report(client, b"{}")

    assert caplog.text.count("content security policy stopped") == 20


def test_a_log_line_stays_one_line_whatever_a_request_brings():
    record = logging.LogRecord(
        "x", logging.INFO, "", 0, "Not Found: %s", ("/a\r\nERROR\x1b[31m",), None
    )

    line = LineFormatter().format(record)

    assert line.endswith("Not Found: /a\\x0d\\x0aERROR\\x1b[31m")
