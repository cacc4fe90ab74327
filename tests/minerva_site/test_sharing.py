"""The switch, the one list that hosts derive from, and the certificate."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from django.test import Client

from accounts.models import User
from minerva_site import sharing
from minerva_site.certificate import certificate_files, fingerprint
from minerva_site.configuration import Configuration
from minerva_site.hosts import allowed_authorities


@pytest.fixture
def lan(monkeypatch) -> None:
    monkeypatch.setattr(
        sharing, "machine_addresses", lambda *families: ["127.0.0.1", "192.168.7.5"]
    )


def made(tmp_path: Path, **options) -> Configuration:
    return Configuration(data_dir=tmp_path, port=9000, **options)


def test_without_the_switch_only_this_machine_reaches_it(tmp_path, lan):
    configuration = made(tmp_path)

    assert sharing.bound_host(configuration) == "127.0.0.1"
    assert sharing.base_urls(configuration) == []


def test_the_switch_opens_it_under_the_addresses_and_the_name(tmp_path, lan):
    sharing.set_switch(tmp_path, is_on=True)
    configuration = made(tmp_path)

    assert sharing.bound_host(configuration) == "0.0.0.0"
    assert sharing.base_urls(configuration) == [
        "http://192.168.7.5:9000",
        "http://minerva.local:9000",
    ]
    assert "minerva.local:9000" in allowed_authorities(configuration)


@pytest.mark.parametrize(("lan_option", "host"), [(True, "0.0.0.0"), (False, "127.0.0.1")])
def test_what_was_said_at_the_start_wins_over_the_switch(tmp_path, lan_option, host):
    sharing.set_switch(tmp_path, is_on=not lan_option)
    configuration = made(tmp_path, lan=lan_option)

    assert sharing.bound_host(configuration) == host
    assert sharing.is_settled_at_start(configuration)


def test_a_host_that_was_named_stays(tmp_path):
    assert sharing.bound_host(made(tmp_path, host="192.168.7.5", lan=True)) == "192.168.7.5"


@pytest.fixture
def staff(db, settings, tmp_path) -> Client:
    settings.DATA_DIR = tmp_path
    settings.CONFIGURATION = made(tmp_path)
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


def test_the_page_moves_the_switch_both_ways(staff, tmp_path):
    assert "Only this machine" in staff.get("/sharing/").text

    staff.post("/sharing/", {"shared": "on"})
    assert sharing.switch_is_on(tmp_path)

    staff.post("/sharing/", {})
    assert not sharing.switch_is_on(tmp_path)


def test_the_page_leaves_alone_what_was_settled_at_the_start(staff, settings, tmp_path):
    settings.CONFIGURATION = made(tmp_path, lan=True)

    answer = staff.post("/sharing/", {})

    assert answer.status_code == 409
    assert "settled when Minerva was started" in answer.text


def test_an_invitation_made_on_this_machine_leads_others_to_its_address(staff, settings):
    settings.SHARED_URLS = ["http://192.168.7.5:9000"]
    settings.ALLOWED_HOSTS = ["127.0.0.1"]

    page = staff.post(
        "/people/invite", {"role": "member", "hours": 1}, headers={"host": "127.0.0.1:9000"}
    ).text

    assert 'id="handed-link">http://192.168.7.5:9000/join/' in page


def test_plain_http_needs_no_certificate(tmp_path):
    assert certificate_files(made(tmp_path)) is None


def test_a_certificate_is_made_once_for_all_names(tmp_path):
    configuration = made(tmp_path, https=True, allowed_hosts=["minerva.lan"])

    files = certificate_files(configuration)

    assert files is not None
    assert files.key.stat().st_mode & 0o777 == 0o600
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    said = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "minerva.lan" in said.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in map(str, said.get_values_for_type(x509.IPAddress))
    before = fingerprint(files)
    assert fingerprint(certificate_files(configuration) or files) == before


def test_it_is_made_anew_when_a_name_is_missing_or_it_is_broken(tmp_path):
    files = certificate_files(made(tmp_path, https=True))
    assert files is not None
    first = fingerprint(files)

    certificate_files(made(tmp_path, https=True, allowed_hosts=["other.lan"]))
    second = fingerprint(files)
    files.certificate.write_text("garbage")
    certificate_files(made(tmp_path, https=True))

    assert len({first, second, fingerprint(files)}) == 3


def test_a_certificate_without_its_key_is_refused(tmp_path):
    certificate = tmp_path / "c.pem"
    certificate.touch()

    with pytest.raises(ValueError, match="go together"):
        made(tmp_path, tls_certificate=certificate)


@pytest.mark.parametrize("value", ["[]", '["10.0.0.0/8", "::1"]'])
def test_proxies_are_addresses_or_networks(monkeypatch, value):
    monkeypatch.setenv("MINERVA_TRUSTED_PROXIES", value)

    assert len(Configuration().trusted_proxies) in (0, 2)


def test_a_proxy_that_is_no_address_is_refused(monkeypatch):
    monkeypatch.setenv("MINERVA_TRUSTED_PROXIES", '["proxy.lan"]')

    with pytest.raises(ValueError, match="trusted_proxies"):
        Configuration()
