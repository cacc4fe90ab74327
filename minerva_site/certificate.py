"""The certificate of the web server: one's own, or one made on the spot for the names it goes by.

The made one is signed by itself, so a browser warns once for each device. It is kept, and made anew
when a name is missing in it (the machine has another address) or it ends within a month.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from minerva_site.configuration import Configuration
from minerva_site.data_folder import create_private_file
from minerva_site.hosts import allowed_names

VALID_DAYS = 397  # the most that browsers take
RENEW_DAYS = 30


@dataclass(frozen=True)
class CertificateFiles:
    certificate: Path
    key: Path


def certificate_files(configuration: Configuration) -> CertificateFiles | None:
    """None: plain HTTP."""
    if configuration.tls_certificate and configuration.tls_key:
        return CertificateFiles(configuration.tls_certificate, configuration.tls_key)
    if not configuration.https:
        return None
    folder = configuration.data_dir / "tls"
    files = CertificateFiles(folder / "certificate.pem", folder / "key.pem")
    names = [name.strip("[]") for name in allowed_names(configuration)]
    if not _still_good(files, names):
        folder.mkdir(mode=0o700, exist_ok=True)
        _make(files, names)
    return files


def fingerprint(files: CertificateFiles) -> str:
    """As browsers show it, to be compared."""
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _still_good(files: CertificateFiles, names: Sequence[str]) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        files.key.stat()
    except (OSError, ValueError):
        return False
    said = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ends = certificate.not_valid_after_utc
    is_fresh = ends > datetime.now(UTC) + timedelta(days=RENEW_DAYS)
    return is_fresh and {_general_name(name) for name in names} <= set(said)


def _make(files: CertificateFiles, names: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Minerva")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files.key.unlink(missing_ok=True)
    create_private_file(files.key, pem.decode())
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
