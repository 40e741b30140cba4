"""/health: for load balancers and supervisors."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from typing import Any

from flask.views import MethodView

from webhook_admin import migrations
from webhook_admin.errors import Misconfigured, StoreUnavailable
from webhook_admin.web import schemas
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import parts
from webhook_admin.web.openapi import ANYONE, operation

# A store that accepts connections and then says nothing would hold the request for good.
_PATIENCE = 3.0  # seconds
_checks = ThreadPoolExecutor(max_workers=1, thread_name_prefix="readiness")
blueprint = Blueprint("health", __name__, description="For load balancers and supervisors. No key needed.")
_OK = {"status": "ok"}


@blueprint.route("/health/live")
class Live(MethodView):
    @blueprint.response(200, schemas.Health)
    @operation("getLiveness", security=[])
    def get(self) -> Any:
        """Is the process alive?"""
        return _OK


@blueprint.route("/health/ready")
class Ready(MethodView):
    @blueprint.response(200, schemas.Health)
    @operation("getReadiness", *ANYONE, StoreUnavailable(), security=[])
    def get(self) -> Any:
        """Can the process do its work?

        503 while the store cannot be reached, or has the schema of another version.
        """
        try:
            _checks.submit(migrations.require_current, parts().database).result(_PATIENCE)
        except NotInTime:
            raise StoreUnavailable from None
        except Misconfigured as error:
            raise StoreUnavailable(str(error)) from None
        return _OK
