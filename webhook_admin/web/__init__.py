"""The HTTP API."""

from flask import Flask

from webhook_admin.web import (
    accounts,
    auth,
    delivery_status,
    docs,
    events,
    health,
    keys,
    notification,
    openapi,
    payload_formats,
    preview,
    problems,
    requests,
    scope,
    webhooks,
)
from webhook_admin.web.auth import Access

_RESOURCES = {
    delivery_status.blueprint: Access.ACCOUNT,
    preview.blueprint: Access.ACCOUNT,
    payload_formats.blueprint: Access.ACCOUNT,
    webhooks.blueprint: Access.PLATFORM,
    accounts.blueprint: Access.PLATFORM,
    keys.blueprint: Access.PLATFORM,
    events.blueprint: Access.PLATFORM,
    health.blueprint: Access.ANYONE,
}


def init_app(app: Flask, parts: scope.Parts) -> None:
    """Make `app` the service's HTTP API."""
    # The order of judgement: a request is logged whatever becomes of it, then comes its key, then the rest.
    scope.init_app(app, parts)
    requests.init_app(app)
    problems.init_app(app)
    auth.init_app(app, {blueprint.name: access for blueprint, access in _RESOURCES.items()})
    api = openapi.init_app(app)
    notification.describe(api)
    for blueprint in _RESOURCES:
        api.register_blueprint(blueprint)
    app.register_blueprint(docs.blueprint)
