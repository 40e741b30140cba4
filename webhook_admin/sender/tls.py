"""TLS: whom to trust, and why a connection could not be secured."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi

from webhook_admin.sender import hints
from webhook_admin.sender.request import Outcome, Trouble

_SAYINGS = (  # what OpenSSL says contains the first of these
    ("application protocol", "The server speaks HTTP/2 only.", hints.HTTPS),
    ("wrong version number", "The server speaks no TLS on this port, but probably plain HTTP.", hints.HTTPS),
    ("protocol", "The server supports neither TLS 1.2 nor TLS 1.3.", hints.TLS),
    ("certificate required", "The server demands a client certificate.", hints.CLIENT),
)


class _Handshake(ssl.SSLObject):
    """Notes what is wrong with a certificate while it can be read: afterwards, Python tells nobody."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            certificate: dict[str, Any] = {}
            with suppress(AttributeError, LookupError, TypeError, ValueError, ssl.SSLError):  # a private interface
                certificate = self._sslobj.get_unverified_chain()[0].get_info()  # type: ignore[attr-defined]
            error.__notes__ = list(_fault(error, certificate, self.server_hostname))
            raise


def _fault(error: ssl.SSLCertVerificationError, certificate: dict[str, Any], host: str | None) -> tuple[str, str]:
    """Detail and hint, by OpenSSL's code (X509_V_ERR). Names are quoted, so that control characters are escaped."""
    match error.verify_code, certificate:
        case 9 | 10 as code, {"notBefore": start, "notAfter": end}:
            date = datetime.fromtimestamp(ssl.cert_time_to_seconds(start if code == 9 else end), UTC).date()
            return f"The certificate {'is not valid before' if code == 9 else 'expired on'} {date}.", hints.RENEW
        case 19 | 20 | 21, {"issuer": issuer}:
            name = ", ".join(value for part in issuer for _, value in part)[:80]
            return f"The issuer {name!r} is not trusted, or an intermediate certificate is missing.", hints.CHAIN
        case 62 | 64, {"subjectAltName": names}:
            valid_for = ", ".join(name for _, name in names)[:80]
            return f"The certificate is not for {host}, but for {valid_for!r}.", hints.REISSUE
    return f"The certificate is not valid: {error.verify_message}.", hints.CHAIN


def trouble(error: OSError) -> Trouble:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Trouble(Outcome.TLS, *error.__notes__)
    if not isinstance(error, ssl.SSLError):
        return Trouble(Outcome.TLS, "The server closed the connection during the TLS handshake.", hints.HTTPS)
    reason = (error.reason or str(error)).lower().replace("_", " ")
    known = [(detail, hint) for word, detail, hint in _SAYINGS if word in reason]
    return Trouble(Outcome.TLS, *(known or [(f"TLS failed: {reason}.", hints.TLS)])[0])


def client_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """TLS that trusts the authorities of `ca_bundle` or, without it, those of the system and of certifi."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a bundle may hold the server's own certificate, too
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = _Handshake
    context.load_verify_locations(ca_bundle or certifi.where())
    if ca_bundle is None:
        context.load_default_certs()
    return context
