"""Which addresses a server may have, however they are written."""

from __future__ import annotations

import re
import socket

import pytest

from inference.errors import InvalidRequest, RemoteUnreachable
from inference.remote.addresses import checked_base_url, checked_key, is_refused, resolved
from inference.types import ModelSpec, RemoteEndpoint


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254"),
        *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::169.254.169.254", "fd00:ec2::254"),
        *("224.0.0.1", "ff02::1", "0.0.0.0", "0.1.2.3", "::", "255.255.255.255", "240.0.0.1"),
        *("100.100.100.200", "168.63.129.16", "no address"),
    ],
)
def test_addresses_that_no_server_of_models_has_are_refused(address):
    assert is_refused(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "::1", "10.0.0.7", "192.168.1.2", "172.16.0.1", "fd12::1"),
        *("::ffff:10.0.0.1", "100.64.0.1", "8.8.8.8", "2606:4700::1111"),
    ],
)
def test_addresses_of_this_machine_its_network_and_the_world_are_allowed(address):
    assert not is_refused(address)


@pytest.mark.parametrize(
    "host", ["0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "0", "0x0"]
)
def test_other_ways_to_write_an_address_are_what_they_mean(host):
    with pytest.raises(RemoteUnreachable):
        resolved(host, 80)


def test_a_name_with_both_kinds_of_addresses_gives_the_allowed_ones(monkeypatch):
    found = [(0, 0, 0, "", (one, 80)) for one in ("169.254.169.254", "10.0.0.7")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: found)

    assert resolved("both.example", 80) == ("10.0.0.7",)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://10.0.0.7:8000/v1", "http://10.0.0.7:8000/v1"),
        (" https://models.example/v1/ ", "https://models.example/v1"),
        ("http://localhost:1234/v1/chat/completions", "http://localhost:1234/v1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_what_people_paste_becomes_an_address(text, url):
    assert checked_base_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "localhost:8000",
            "file:///etc/passwd",
            "gopher://a/",
            "ftp://a",
            "http://",
            "http:///v1",
        ),
        *(
            "http://user:pass@a/v1",
            "http://a/v1?key=1",
            "http://a/v1#x",
            "http://a:0/v1",
            "http://a:99999",
        ),
        *("http://a\\@b/v1", "http://a/\x00", "http://[::1", "http://a b/", "http://" + "a" * 600),
    ],
)
def test_what_is_no_address_is_refused_with_the_next_step(text):
    with pytest.raises(InvalidRequest, match=re.escape("like http://10.0.0.7:8000/v1")):
        checked_base_url(text)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "ключ", "k" * 501])
def test_what_is_no_key_is_refused_without_being_repeated(key):
    with pytest.raises(InvalidRequest) as refused:
        checked_key(key)

    assert key not in str(refused.value)


def test_a_key_stands_in_no_repr():
    endpoint = RemoteEndpoint(base_url="http://a/v1", model="m", key="sk-secret")
    spec = ModelSpec(model_id="1", name="m", path="", remote=endpoint)

    assert "sk-secret" not in f"{endpoint!r} {endpoint} {spec!r} {spec}"
