"""Requests that another site makes a browser send (CSRF) are refused.

A browser of today says in `Sec-Fetch-Site` where a request comes from, over TLS and on localhost. Over plain HTTP it
does not: there `Origin` has to be this service, and the form has to have a token that only its own browser was given.
"""

import hashlib
import hmac
from urllib.parse import urlsplit

from flask import request
from werkzeug.exceptions import Forbidden

from webhook_admin.portal import session
from webhook_admin.web.context import parts

FIELD = "form_token"
_FORGED = "This form was not sent from a page of this service, or the page is too old. Open it again, and repeat."
# Its address has a token, so that it sends no referrer, for which browsers hide the origin of its form, too.
_WITHOUT_REFERRER = "portal.link.open_link"


def form_token() -> str:
    """What forms carry: it comes from the cookie's token, which scripts and other sites cannot read."""
    return hashlib.sha256(f"form {session.token()}".encode()).hexdigest()


def refuse_forged() -> None:
    """Raise `Forbidden` for a request that would change something and comes from another site."""
    if request.method in session.READING:
        return
    site = request.headers.get("Sec-Fetch-Site")
    is_own = site == "same-origin" if site is not None else _is_own_origin() and _has_token()
    if not is_own:
        raise Forbidden(_FORGED)


def _is_own_origin() -> bool:
    origin = request.headers.get("Origin", "")
    if origin == "null":
        return request.endpoint == _WITHOUT_REFERRER
    # By host and port: behind a proxy, the scheme is not known here.
    return urlsplit(origin).netloc in {request.host, urlsplit(parts().settings.public_url).netloc} - {""}


def _has_token() -> bool:
    return hmac.compare_digest(request.form.get(FIELD, "").encode(), form_token().encode())
