"""/portal/signing: the signing secret, its rotation, and why a receiver refuses a signature."""

from collections import defaultdict
from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from webhook_admin import signing_secrets, verification
from webhook_admin.errors import RotationInProgress
from webhook_admin.portal import checks, forms, refusals, session
from webhook_admin.portal.checks import Check
from webhook_admin.portal.settings import webhook_if_any
from webhook_admin.queue import sent
from webhook_admin.signing_secrets import DEFAULT_OVERLAP, MAX_OVERLAP
from webhook_admin.verification import Verdict, headers
from webhook_admin.web.context import connection, now, parts, transaction

blueprint = Blueprint("signing", __name__)
# Seconds, the usual first.
_OVERLAPS = {
    DEFAULT_OVERLAP: "1 day",
    MAX_OVERLAP: "7 days",
    3_600: "1 hour",
    0: "no time: the old one stops at once",
}


@blueprint.get("/signing")
def page() -> ResponseReturnValue:
    return _page()


@blueprint.post("/signing/rotate")
def rotate() -> ResponseReturnValue:
    overlap = request.form.get("overlap", type=int)
    if overlap not in _OVERLAPS:
        raise BadRequest("Choose for how long the old secret is to be valid.")
    try:
        with transaction() as changing:
            made = signing_secrets.rotate(changing, parts().cipher, session.account_id(), now(), overlap)
    except RotationInProgress as error:
        return _page(trouble=refusals.words(error)), 409
    return render_template(
        "portal/shown_once.html",
        kind="new signing secret",
        secret=made.signing_secret,
        until=made.previous_secret_expires_at,
    )


@blueprint.post("/signing/drop-previous")
def drop_previous() -> ResponseReturnValue:
    signing_secrets.drop_previous(connection(), session.account_id(), now())
    return redirect(url_for(".page"), 303)


@blueprint.post("/signing/verify")
def verify() -> ResponseReturnValue:
    # Browsers send the lines of a text with CR LF, however they were pasted.
    typed = {name: forms.text(request.form, name) for name in ("headers", "body")}
    body = request.form.get("body", "").replace("\r\n", "\n")
    secrets = signing_secrets.get(connection(), parts().cipher, session.account_id())
    given = headers.read(_headers(typed["headers"]))
    delivery = sent.find(connection(), session.account_id(), given.delivery_id)
    verdict = verification.judge(given, body, secrets, delivery, now())
    return _page(typed | {"body": body}, verdict, checks.of(given, delivery, verdict))


def _headers(text: str) -> dict[str, list[str]]:
    """The headers of a text with one in each line, also as JSON or a dictionary has them, with quotes and commas."""
    found = defaultdict(list)
    for name, _, value in (line.partition(":") for line in text.splitlines()):
        found[name.strip(" \t{\"'")].append(value.strip(" \t}\"',"))
    return found


def _page(
    typed: Mapping[str, str] | None = None,
    verdict: Verdict | None = None,
    checked: list[Check] | None = None,
    trouble: str = "",
) -> str:
    webhook = webhook_if_any()
    until = webhook.previous_secret_expires_at if webhook else None
    return render_template(
        "portal/signing.html",
        webhook=webhook,
        overlap_until=until if until and until > now() else None,
        overlaps=_OVERLAPS,
        typed=typed or {},
        verdict=verdict,
        checks=checked,
        trouble=trouble,
    )
