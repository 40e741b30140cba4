"""The resources of the HTTP API, and who may call each."""

from flask import Flask

from webhook_admin.web import (
    accounts,
    auth,
    context,
    deliveries,
    delivery_status,
    docs,
    erasures,
    events,
    guides,
    health,
    keys,
    openapi,
    openapi_webhooks,
    payload_formats,
    portal_links,
    preview,
    problems,
    request_log,
    request_metrics,
    signing_secret,
    statistics,
    testing,
    verify,
    webhooks,
)
from webhook_admin.web.auth import Access

_RESOURCES = {
    delivery_status.blueprint: Access.ACCOUNT,
    preview.blueprint: Access.ACCOUNT,
    testing.blueprint: Access.ACCOUNT,
    statistics.blueprint: Access.ACCOUNT,
    verify.blueprint: Access.ACCOUNT,
    signing_secret.blueprint: Access.ACCOUNT,
    deliveries.blueprint: Access.ACCOUNT,
    payload_formats.blueprint: Access.ACCOUNT,
    webhooks.blueprint: Access.PLATFORM,
    accounts.blueprint: Access.PLATFORM,
    keys.blueprint: Access.PLATFORM,
    portal_links.blueprint: Access.PLATFORM,
    events.blueprint: Access.PLATFORM,
    erasures.blueprint: Access.PLATFORM,
    health.blueprint: Access.ANYONE,
}


def init_app(app: Flask, parts: context.Parts) -> None:
    """Make `app` the service's HTTP API."""
    # The order of judgement: a request is logged whatever becomes of it, then comes its key, then the rest.
    context.init_app(app, parts)
    request_log.init_app(app)
    request_metrics.init_app(app)
    problems.init_app(app)
    access = {blueprint.name: access for blueprint, access in _RESOURCES.items()}
    auth.init_app(app, access)
    deliveries.init_app(app)
    api = openapi.init_app(app)
    openapi_webhooks.describe(api)
    for blueprint in _RESOURCES:
        api.register_blueprint(blueprint)
    app.register_blueprint(docs.blueprint)
    app.register_blueprint(guides.blueprint)
