"""Every error as a page, in words for people who use no API."""

from flask import Response, current_app, g, render_template
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.http import HTTP_STATUS_CODES

from webhook_admin import errors
from webhook_admin.web import problem_bodies, problems

_WORDS: dict[type[errors.Error], str] = {
    errors.Unauthenticated: "There is no such key, or it has been revoked or has expired.",
    errors.TooManyRequests: "That was too fast. Wait a second, and try again.",
    errors.AccountNotFound: "There is no account with this id.",
    errors.DeliveryNotFound: "There is no delivery with this id.",
    errors.NothingToSendTo: "There is no webhook to send to. Register one, then resend.",
    errors.WebhookNotFound: "There is no webhook yet.",
    errors.WebhookDisabled: "Nothing is sent, as the webhook is disabled. Save its URL again to make it active.",
    errors.DeliveryInFlight: "An attempt is in flight at this moment. See what comes of it, then resend.",
    errors.WebhookExists: "A webhook has been registered meanwhile. Look at it, then save again.",
    errors.PreconditionFailed: "The webhook has been changed since you opened this page. Saving again overwrites that.",
    errors.RotationInProgress: "The old secret of the latest rotation is still valid. Revoke it first, as soon as your "
    "server has the newest one.",
    errors.TooManyKeys: "An account has two active keys at most. Revoke one first.",
    errors.KeyNotFound: "There is no such key. It may have been revoked already.",
    errors.TestNotResent: "A test is sent once. Send another one instead.",
}
_TITLES = {403: "This is not possible", 404: "There is nothing here", 500: "Something went wrong"}
_FAILED = "The service has failed. Its operators find the cause in the log under this number: {}"


def words(error: errors.Error) -> str:
    """The error in a sentence or two."""
    return _WORDS.get(type(error), str(error))


def known(error: errors.Error) -> Response:
    """A page for an error of ours."""
    problems.log_cause(error)
    return page(problem_bodies.status_of(type(error)), words(error))


def http(error: HTTPException) -> ResponseReturnValue:
    """A page for what HTTP itself has a word for."""
    if isinstance(error, InternalServerError):
        return page(500, _FAILED.format(g.correlation_id))
    if error.code is None or error.code < 400:
        return error.get_response()
    return page(error.code, error.description or "")


def page(status: int, detail: str) -> Response:
    """The page that says an error."""
    title = _TITLES.get(status, HTTP_STATUS_CODES[status])
    if status >= 500:
        # The store may be what has failed: the page goes without the session.
        g.setdefault("portal_session", None)
    text = render_template("portal/error.html", title=title, detail=detail)
    return current_app.response_class(text, status, problems.HEADERS.get(status))
