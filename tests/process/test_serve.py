"""`manage.py serve` as its user runs it: it starts, heals, explains, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.product import ROOT, Product, wait_for

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

CHILDREN = ("inference", "worker", "web")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One that the tests share which leave it as it was."""
    yield from running(tmp_path_factory.mktemp("serve") / "data")


@pytest.fixture
def own_product(tmp_path: Path) -> Iterator[Product]:
    yield from running(tmp_path / "data")


def running(data_dir: Path) -> Iterator[Product]:
    product = Product(data_dir)
    product.start()
    try:
        yield product
    finally:
        product.stop()
        print(product.output)


def serve(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to be refused."""
    return subprocess.run(
        [sys.executable, "manage.py", "serve", *options],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def readiness(product: Product) -> dict[str, object]:
    try:
        with urllib.request.urlopen(product.url + "/readyz", timeout=30) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.load(error))


def family(product: Product) -> list[psutil.Process]:
    serve_process = psutil.Process(product.process.pid)
    return [serve_process, *serve_process.children(recursive=True)]


def is_running(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


# -- start --------------------------------------------------------------------------------------


def test_it_is_ready_in_every_part_when_it_prints_its_address(product):
    assert readiness(product) == {
        "ready": True,
        "database": "ok",
        "worker": "ok",
        "inference": "ok",
    }
    assert len(re.findall(r"http://", product.output)) == 1


def test_its_data_is_closed_to_other_users(product):
    open_ones = [
        path
        for path in product.data_dir.rglob("*")
        if not {"static", "models"} & set(path.parts) and path.lstat().st_mode & 0o077
    ]

    assert product.data_dir.stat().st_mode & 0o077 == 0
    assert open_ones == []


def test_each_process_has_a_log(product):
    assert {path.name for path in (product.data_dir / "logs").iterdir()} >= {
        "inference.log",
        "web.log",
        "worker.log",
    }


def test_the_token_is_in_no_log(product):
    token = product.setup_url.partition("token=")[2]
    status_of(product.setup_url)

    assert len(token) >= 22  # 128 bits
    assert all(token not in path.read_text() for path in (product.data_dir / "logs").iterdir())


def test_the_set_up_leads_from_the_printed_link_to_a_signed_in_page(own_product):
    browser = urllib.request.build_opener(
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    assert status_of(own_product.url + "/") == 503
    page = browser.open(own_product.setup_url, timeout=30).read().decode()
    fields = dict(re.findall(r'name="(csrfmiddlewaretoken|token)" value="([^"]+)"', page))
    form = {**fields, "username": "alice", "password": "correct horse battery"}

    with browser.open(
        own_product.url + "/setup/", urllib.parse.urlencode(form).encode(), timeout=30
    ) as landed:
        assert (landed.status, landed.url) == (200, own_product.url + "/")

    assert status_of(own_product.setup_url) == 410
    assert status_of(own_product.url + "/models/") == 200  # the sign-in page it leads to
    own_product.stop()
    own_product.start()
    assert own_product.setup_url == ""


# -- refusals -----------------------------------------------------------------------------------


def test_a_second_one_with_the_same_data_is_refused(product):
    refused = serve("--port", "0", "--data-dir", str(product.data_dir))

    assert refused.returncode == 1
    assert f"process {product.process.pid}" in refused.stderr
    assert "--data-dir" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_taken_port_is_explained_and_a_free_one_offered(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        refused = serve("--port", str(port), "--data-dir", str(tmp_path))

    assert refused.returncode == 1
    assert f"Port {port} is taken by" in refused.stderr
    assert f"process {os.getpid()}" in refused.stderr
    offered = re.search(r"serve --port (\d+)", refused.stderr)
    assert offered
    assert int(offered[1]) != port
    with socket.create_server(("127.0.0.1", int(offered[1]))):
        pass
    assert "Traceback" not in refused.stderr


def test_an_address_of_another_machine_is_explained(tmp_path):
    refused = serve("--host", "192.0.2.1", "--data-dir", str(tmp_path))

    assert refused.returncode == 1
    assert "192.0.2.1 is not an address of this machine" in refused.stderr


def test_debug_pages_are_refused_where_others_could_see_them(tmp_path):
    refused = serve(
        "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path), MINERVA_DEBUG="1"
    )

    assert refused.returncode == 1
    assert "Debug pages show secrets" in refused.stderr


@pytest.mark.parametrize("port", ["many", "70000", "-1"])
def test_a_wrong_setting_is_named_with_what_is_expected(tmp_path, port):
    refused = serve("--data-dir", str(tmp_path), f"--port={port}")

    assert refused.returncode == 1
    assert f"MINERVA_PORT={port}: Input should be" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_data_folder_that_is_too_deep_for_a_socket_is_refused(tmp_path):
    refused = serve("--port", "0", "--data-dir", str(tmp_path / ("d" * 100)))

    assert refused.returncode == 1
    assert "too long for a socket" in refused.stderr


# -- kills --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHILDREN)
def test_a_process_that_is_killed_is_started_again(product, name):
    pid = product.kill(name)

    def is_replaced() -> bool:
        process = product.processes().get(name)
        return process is not None and process.pid != pid

    wait_for(is_replaced, what=f"a new process {name}")
    wait_for(lambda: readiness(product)["ready"], what="all parts ready again", seconds=60)
    assert f"{name} ended unexpectedly (signal 9, SIGKILL)." in product.output


def test_one_that_keeps_dying_ends_everything_with_the_reason(own_product):
    processes = family(own_product)

    def has_ended() -> bool:
        with contextlib.suppress(psutil.Error):
            if worker := own_product.processes().get("worker"):
                worker.kill()
        return own_product.process.poll() is not None

    wait_for(has_ended, what="the end of serve", seconds=60)

    assert own_product.process.returncode == 1
    wait_for(lambda: "worker ended 4 times within a minute" in own_product.output, what="why")
    assert str(own_product.data_dir / "logs" / "worker.log") in own_product.output
    assert not any(is_running(process) for process in processes)


def test_nothing_is_left_when_serve_is_killed(own_product):
    processes = family(own_product)
    assert len(processes) >= 4

    own_product.process.kill()

    wait_for(lambda: not any(map(is_running, processes)), what="the end of all", seconds=5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything_while_connections_are_open(own_product, number):
    host, port = own_product.url.removeprefix("http://").split(":")
    processes = family(own_product)
    with socket.create_connection((host, int(port))) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\n")  # and never the rest

        own_product.process.send_signal(number)

        assert own_product.process.wait(timeout=10) == 0
    assert not any(is_running(process) for process in processes)


def test_a_data_folder_can_be_used_again_right_after_a_kill(own_product):
    own_product.process.kill()
    own_product.process.wait()

    own_product.start()

    assert readiness(own_product)["ready"] is True


def test_a_request_waits_while_web_is_started_again(own_product):
    answers: list[int] = []
    own_product.kill("web")

    asking = threading.Thread(
        target=lambda: answers.append(status_of(own_product.url + "/healthz"))
    )
    asking.start()
    asking.join(timeout=30)

    assert answers == [200]
