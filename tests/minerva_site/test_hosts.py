from __future__ import annotations

import pytest

from minerva_site.configuration import Configuration
from minerva_site.hosts import allowed_authorities, allowed_names, normal_authority
from minerva_site.sharing import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_loopback_addresses_are_recognised(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_addresses_others_can_reach_are_not_loopback(host):
    assert not is_loopback(host)


def test_a_loopback_server_answers_to_loopback_names_only():
    names = allowed_names(Configuration(host="127.0.0.1", port=9000))

    assert names == ["localhost", "127.0.0.1", "[::1]"]


def test_a_server_on_every_address_answers_to_the_addresses_of_the_machine():
    authorities = allowed_authorities(Configuration(host="0.0.0.0", port=9000))

    assert "127.0.0.1:9000" in authorities
    assert "0.0.0.0:9000" not in authorities
    assert any(name.endswith(".local:9000") for name in authorities)
    assert "*" not in " ".join(authorities)


def test_a_configured_name_gets_our_port_unless_it_has_its_own():
    configuration = Configuration(port=9000, allowed_hosts=["minerva.lan", "Other.lan:80"])

    assert {"minerva.lan:9000", "other.lan:80"} <= allowed_authorities(configuration)
    assert {"minerva.lan", "other.lan"} <= set(allowed_names(configuration))


def test_an_authority_without_port_means_port_80():
    assert normal_authority("Minerva.LAN") == "minerva.lan:80"
    assert normal_authority("[::1]:8463") == "[::1]:8463"


@pytest.mark.parametrize("text", ["", "a b", "a/b", "a:b", "a:123456", "http://a", "a@b", ":80"])
def test_what_is_not_an_authority_is_none(text):
    assert normal_authority(text) is None
