"""The pages: whom each is for, where the navigation has it, and what they all have in common."""

from typing import Any, NamedTuple

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, NotFound

from webhook_admin import errors
from webhook_admin.portal import (
    account,
    api_keys,
    deliveries,
    delivery,
    export,
    forgery,
    link,
    overview,
    refusals,
    resends,
    session,
    settings,
    sign_in,
    signing,
    testing,
    words,
)
from webhook_admin.portal.session import Needs
from webhook_admin.web.parsing import MAX_BODY

# Nothing from elsewhere, and no script or style in the pages themselves. Images in the style sheet are data: URLs.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Page(NamedTuple):
    """A page, or some that belong together. One with a title is in the navigation, which leads to its view `page`."""

    blueprint: Blueprint
    needs: Needs = Needs.ACCOUNT
    title: str = ""

    @property
    def endpoint(self) -> str:
        return f"portal.{self.blueprint.name}.page"


PAGES = [
    Page(overview.blueprint, title="Overview"),
    Page(deliveries.blueprint, title="Deliveries"),
    Page(delivery.blueprint),
    Page(resends.blueprint),
    Page(export.blueprint),
    Page(testing.blueprint, title="Test"),
    Page(settings.blueprint, title="Settings"),
    Page(signing.blueprint, title="Signing"),
    Page(api_keys.blueprint, title="API keys"),
    Page(account.blueprint, Needs.PLATFORM, "Accounts"),
    Page(sign_in.blueprint, Needs.NOTHING),
    Page(link.blueprint, Needs.NOTHING),
]
_NEEDS = {f"portal.{page.blueprint.name}": page.needs for page in PAGES}
blueprint = Blueprint("portal", __name__, url_prefix="/portal", template_folder="templates", static_folder="static")
for _page in PAGES:
    blueprint.register_blueprint(_page.blueprint)
blueprint.register_error_handler(errors.Error, refusals.known)
blueprint.register_error_handler(HTTPException, refusals.http)
blueprint.after_request(session.write_cookie)
for _filter in words.FILTERS:
    blueprint.add_app_template_filter(_filter)


@blueprint.before_request
def guard() -> ResponseReturnValue | None:
    request.max_content_length = MAX_BODY
    forgery.refuse_forged()
    return session.require(_NEEDS.get(request.blueprint or "", Needs.NOTHING))


@blueprint.after_request
def restrict(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    # To other sites nothing. Without any, browsers would hide the origin of our own forms, too.
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


@blueprint.context_processor
def shared() -> dict[str, Any]:
    """What every template can use."""
    return {
        "session": session.current(),
        "may_change": session.may_change(),
        "navigation": list(filter(_is_listed, PAGES)),
        "form_token": forgery.form_token,
    }


@blueprint.get("/")
def home() -> ResponseReturnValue:
    return redirect(url_for("portal.overview.page"))


@blueprint.get("/<path:_>")
def missing(_: str) -> ResponseReturnValue:
    raise NotFound("The address is not one of these pages.")


def _is_listed(page: Page) -> bool:
    who = session.current()
    if not page.title or who is None:
        return False
    return who.is_platform if page.needs is Needs.PLATFORM else who.account_id is not None
