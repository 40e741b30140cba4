"""TLS: whom to trust, and why a handshake failed."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi

from webhook_admin.sender.request import Outcome
from webhook_admin.sender.verdict import HTTP_2_ONLY, Verdict, printable

_RENEW = "Renew the certificate, and check that the server was reloaded since."
_CHAIN = "Install a certificate of a public authority, with its intermediate certificates (fullchain.pem)."
_REISSUE = "Install a certificate that names this host in its subjectAltName."
_CLIENT = "Let the callback URL work without client certificates; verify the signature instead."
# What OpenSSL says contains one of these words; then the fact, and what to do.
_TROUBLE = (
    (
        ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"),
        "The server speaks no TLS on port {port}: probably plain HTTP.",
        "Check the port of the callback URL, and that the server has HTTPS switched on for it.",
    ),
    (
        ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL"),
        "The server supports neither TLS 1.2 nor TLS 1.3.",
        "Switch TLS 1.2 or 1.3 on.",
    ),
    (("CERTIFICATE_REQUIRED",), "The server demands a client certificate.", _CLIENT),
    (
        ("HANDSHAKE_FAILURE",),
        "The server ended the TLS handshake (alert handshake_failure).",
        "Switch modern ciphers on (ECDHE with AES-GCM), and the demand for client certificates off.",
    ),
    (("UNRECOGNIZED_NAME",), "The server does not know the host name {host} (alert unrecognized_name).", _REISSUE),
    (("TOO_SMALL", "TOO_WEAK"), "The server's key is too weak.", "Use RSA with 2,048 bits or more, or ECDSA."),
)


class _Handshake(ssl.SSLObject):
    """Notes what is wrong with a certificate while it is at hand: afterwards Python gives it to nobody."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            error.add_note(_fault(error, self._certificate(), self.server_hostname or ""))
            raise

    def _certificate(self) -> Mapping[str, Any]:
        """The server's certificate; empty where this Python has another private interface."""
        try:
            return self._sslobj.get_unverified_chain()[0].get_info()  # type: ignore[attr-defined,no-any-return]
        except (AttributeError, IndexError, TypeError, ValueError, ssl.SSLError):
            return {}


def client_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or later, HTTP/1.1, and trust in the authorities of `ca_bundle`, or the system's and certifi's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    # A bundle may also hold an intermediate certificate, or the server's own.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = _Handshake
    context.load_verify_locations(ca_bundle or certifi.where())
    if ca_bundle is None:
        context.load_default_certs()
    return context


def of_error(error: OSError, host: str, port: int) -> Verdict:
    """Why the connection could not be secured."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Verdict(Outcome.TLS, "".join(getattr(error, "__notes__", [])), _certificate_hint(error.verify_code))
    if not isinstance(error, ssl.SSLError):
        detail = "The server closed the connection during the TLS handshake."
        return Verdict(Outcome.TLS, detail, "Check that the port is the one for HTTPS, and the server's TLS settings.")
    said = str(error).upper().replace(" ", "_")
    if "NO_APPLICATION_PROTOCOL" in said:
        return HTTP_2_ONLY._replace(outcome=Outcome.TLS)
    for words, fact, hint in _TROUBLE:
        if any(word in said for word in words):
            return Verdict(Outcome.TLS, fact.format(host=host, port=port), hint)
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return Verdict(Outcome.TLS, f"TLS failed: {reason}.", "Check the server's TLS settings.")


def _certificate_hint(code: int) -> str:
    match code:
        case 9 | 10:
            return _RENEW
        case 62 | 64:
            return _REISSUE
        case 66 | 67 | 68:
            return "Use a key of RSA with 2,048 bits or more, or ECDSA, and SHA-256."
    return _CHAIN


def _fault(error: ssl.SSLCertVerificationError, certificate: Mapping[str, Any], host: str) -> str:
    """What is wrong with a certificate, by OpenSSL's code (openssl-verification-options, X509_V_ERR)."""
    match error.verify_code:
        case 9 if "notBefore" in certificate:
            return f"The certificate is not valid before {_date(certificate['notBefore'])}."
        case 10 if "notAfter" in certificate:
            return f"The certificate expired on {_date(certificate['notAfter'])}."
        case 18:
            return "The certificate is self-signed."
        case 19 | 20 | 21 if certificate:
            issuer = dict(pair for part in certificate.get("issuer", ()) for pair in part)
            name = issuer.get("commonName") or issuer.get("organizationName") or "an unnamed authority"
            what = "is not trusted here, or an intermediate certificate is missing"
            return f"The certificate's issuer, {printable(name)}, {what}."
        case 62 | 64 if certificate:
            return f"The certificate is not for {host}: {_names(certificate)}."
    return f"The certificate is not valid: {printable(error.verify_message)}."


def _names(certificate: Mapping[str, Any]) -> str:
    names = [printable(str(name), 60) for _, name in certificate.get("subjectAltName", ())]
    if not names:
        return "it names no host in subjectAltName"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"it names {', '.join(names[:3])}{more}"


def _date(text: str) -> str:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC).date().isoformat()
