"""Who may call what. Judged before the method, the body and everything else."""

from enum import Enum

from flask import Flask, current_app, g, request
from werkzeug.exceptions import MethodNotAllowed

from webhook_admin import keys
from webhook_admin.accounts import ACCOUNT_ID, require_account_id
from webhook_admin.errors import (
    AccountNotFound,
    AccountNotNamed,
    OtherAccount,
    PlatformKeyRequired,
    Unauthenticated,
)
from webhook_admin.web.context import connection, now, parts

CALLER = "webhook_admin.caller"
"""The key of an environ under which a server finds the id of the API key, or the session, that a request came with."""


class Access(Enum):
    """Whose keys open a resource."""

    ANYONE = "no key needed"
    ACCOUNT = "account keys, and platform keys; where there is an account to act for, these name it in X-Account-Id"
    PLATFORM = "platform keys"


def init_app(app: Flask, access: dict[str, Access]) -> None:
    """Guard the app's blueprints; `access` says whose keys open which, by blueprint name."""

    @app.before_request
    def guard() -> None:
        endpoint = _endpoint()
        needed = access.get(endpoint.rpartition(".")[0], Access.ANYONE)
        if needed is not Access.ANYONE:
            caller = _authenticate(needed)
            if caller.account_id is not None:
                parts().rate_limit.take(caller.key_id)


def account_id() -> str:
    """The account that the request acts for.

    Raises `AccountNotNamed`, `InvalidInput` and `AccountNotFound` for a platform key that names none, none that can be,
    or an unknown one.
    """
    caller: keys.Caller = g.caller
    if caller.account_id is not None:
        return caller.account_id
    named = request.headers.get("X-Account-Id")
    if named is None:
        raise AccountNotNamed
    require_account_id(named, "X-Account-Id")
    return _existing(caller)


def path_account_id() -> str:
    """The account that the request's path names. Raises `AccountNotFound`."""
    return _existing(g.caller)


def _existing(caller: keys.Caller) -> str:
    if caller.named_account_id is None:
        raise AccountNotFound
    return caller.named_account_id


def _endpoint() -> str:
    """The endpoint that the path belongs to, whether or not the method fits it; "" if there is none."""
    if isinstance(request.routing_exception, MethodNotAllowed):
        method = next(iter(request.routing_exception.valid_methods or ["GET"]))
        adapter = current_app.create_url_adapter(request)
        return str(adapter.match(method=method)[0]) if adapter else ""
    return request.endpoint or ""


def _authenticate(needed: Access) -> keys.Caller:
    named = (request.view_args or {}).get("account_id") or request.headers.get("X-Account-Id")
    known = named if named and ACCOUNT_ID.fullmatch(named) else None
    key = _presented()
    # Before the store is asked: a malformed key is 401 also while the store is away.
    keys.id_of(key)
    caller = keys.authenticate(connection(), key, now(), known)
    g.caller = caller
    request.environ[CALLER] = caller.key_id
    parts().last_used.note(caller, now())
    if caller.account_id is not None:
        if needed is Access.PLATFORM:
            raise PlatformKeyRequired
        if named not in (None, caller.account_id):
            raise OtherAccount
    return caller


def _presented() -> str:
    key = request.headers.get("X-API-Key")
    authorization = request.authorization
    bearer = authorization.token if authorization and authorization.type == "bearer" else None
    presented = {value for value in (key, bearer) if value is not None}
    if len(presented) != 1:
        raise Unauthenticated
    return presented.pop()
