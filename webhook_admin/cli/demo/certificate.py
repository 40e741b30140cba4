"""A certificate for the receiver, made on the spot."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_VALID = timedelta(hours=1)


class Certificate(NamedTuple):
    """Two PEM files. Self-signed, so that `file` is also the authority to verify it with."""

    file: Path
    key_file: Path


def make_certificate(folder: Path, address: str) -> Certificate:
    """Write a certificate for the IP address, and its private key, to the folder. It is valid for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = Certificate(folder / "receiver.pem", folder / "receiver.key")
    made.file.write_bytes(_signed(key, address).public_bytes(Encoding.PEM))
    made.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def _signed(key: ec.EllipticCurvePrivateKey, address: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "webhook-admin demo")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _VALID)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
