"""A self-signed certificate for a receiver on this machine."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_VALID = timedelta(days=30)
# A certificate that expires sooner is made anew.
_LEAST_LEFT = timedelta(days=1)
_NAMES = [
    x509.DNSName("localhost"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.IPAddress(ip_address("::1")),
]


class Certificate(NamedTuple):
    """Two PEM files. Self-signed, so that `file` is also the authority to verify it with."""

    file: Path
    key_file: Path


def certificate_in(folder: Path) -> Certificate:
    """The certificate for loopback in the folder: the one that is there if it is valid for another day, or a new one.

    A new one is valid for 30 days. Raises `OSError` if the files cannot be read or written.
    """
    found = Certificate(folder / "receiver.pem", folder / "receiver.key")
    if not _is_usable(found):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(found)
    return found


def _is_usable(found: Certificate) -> bool:
    if not (found.file.exists() and found.key_file.exists()):
        return False
    try:
        certificate = x509.load_pem_x509_certificate(found.file.read_bytes())
    except ValueError:
        return False
    return certificate.not_valid_after_utc - datetime.now(UTC) > _LEAST_LEFT


def _make(wanted: Certificate) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    wanted.key_file.touch(mode=0o600)
    wanted.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    wanted.file.write_bytes(_signed(key).public_bytes(Encoding.PEM))


def _signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "webhook-admin receiver")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        # A clock that is a little behind takes it, too.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
        .sign(key, hashes.SHA256())
    )
