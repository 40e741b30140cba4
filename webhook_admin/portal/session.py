"""Who looks at the page: the session whose token the browser keeps in a cookie."""

import secrets
from enum import Enum
from typing import cast

from flask import Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from webhook_admin import keys, portal_sessions
from webhook_admin.portal_sessions import LIFETIME, Access, Session
from webhook_admin.web.auth import CALLER
from webhook_admin.web.context import connection, now, parts

READING = ("GET", "HEAD", "OPTIONS")
_READ_ONLY = "You may look here, and change nothing: that is how the link was made that you came by."


class Needs(Enum):
    """Who a page is for."""

    NOTHING = "anybody"
    ACCOUNT = "a session that looks at an account"
    PLATFORM = "a session of the platform"


def is_secure() -> bool:
    """Whether the browser speaks TLS: with this process, or with a proxy in front of it, which `PUBLIC_URL` tells."""
    return request.is_secure or parts().settings.public_url.startswith("https:")


def token() -> str:
    """The token that the browser has; one that has none gets one, of no session, so that its forms are its own."""
    known = g.get("portal_token") or request.cookies.get(_cookie())
    if known is None:
        known = g.portal_token = secrets.token_urlsafe(32)
    return cast("str", known)


def begin(token: str) -> None:
    """Let the browser keep the token of a session that has just been opened."""
    g.portal_token = token


def end() -> None:
    """End the session, and let the browser forget its token."""
    portal_sessions.end(connection(), token())
    g.portal_token = ""


def current() -> Session | None:
    """The session of the request, if it has one: asked for in the store each time, since its key may be revoked."""
    if "portal_session" not in g:
        sent = request.cookies.get(_cookie())
        g.portal_session = portal_sessions.get(connection(), sent, now()) if sent else None
    return cast("Session | None", g.portal_session)


def account_id() -> str:
    """The account that is looked at, on pages that need one."""
    session = current()
    if session is None or session.account_id is None:
        raise Forbidden
    return session.account_id


def may_change() -> bool:
    """Whether the session may change something."""
    session = current()
    return session is not None and session.access == Access.FULL


def require(needs: Needs) -> ResponseReturnValue | None:
    """Where to go instead, if the request's session is not what the page needs. Raises `Forbidden`."""
    if needs is Needs.NOTHING:
        return None
    session = current()
    if session is None:
        sought = request.full_path.rstrip("?") if request.method in READING else None
        return redirect(url_for("portal.sign_in.page", sought=sought), 303)
    # For the log's line, the server's queues, and the limit of requests.
    g.caller = keys.Caller(session.key_id, session.account_id, None, None)
    request.environ[CALLER] = caller = f"portal {session.key_id} {session.account_id}"
    if not session.is_platform:
        parts().rate_limit.take(caller)
    if needs is Needs.PLATFORM and not session.is_platform:
        raise Forbidden("This page is for the platform's own people.")
    if needs is Needs.ACCOUNT and session.account_id is None:
        return redirect(url_for("portal.account.page"), 303)
    if request.method not in READING and not may_change():
        raise Forbidden(_READ_ONLY)
    return None


def write_cookie(response: Response) -> Response:
    """Give the browser the token that the request has made for it, or take it away."""
    token = g.get("portal_token")
    secure = is_secure()
    if token:
        response.set_cookie(_cookie(), token, max_age=LIFETIME, path="/", secure=secure, httponly=True, samesite="Lax")
    elif token == "":
        response.delete_cookie(_cookie(), path="/", secure=secure, httponly=True, samesite="Lax")
    return response


def _cookie() -> str:
    # Browsers take a cookie of this prefix only over TLS, for the whole host, and from no other host of the domain.
    return "__Host-portal" if is_secure() else "portal"
