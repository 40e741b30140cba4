"""The HTTP API and the page as a WSGI application."""

from flask import Flask

from webhook_admin import logs
from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.encryption import load_cipher
from webhook_admin.last_used import LastUsed
from webhook_admin.metrics.api import ApiMetrics
from webhook_admin.portal import pages
from webhook_admin.queue.group_commit import GroupCommit
from webhook_admin.web import resources
from webhook_admin.web.context import Parts
from webhook_admin.web.problems import Application
from webhook_admin.web.rate_limit import RateLimit

# Tries to sign in to the page, a second and from one address. Keys cannot be guessed: it is the store that is spared.
_SIGN_INS = 5


def create_app(settings: Settings | None = None) -> Flask:
    """The HTTP API as a WSGI application, by default with the environment's settings.

    Touches the store at the first request only. Raises `Misconfigured`.
    """
    settings = settings or Settings.from_environment()
    logs.configure(settings.log_level, settings.log_format)
    app = Application(__name__, static_folder=None)
    resources.init_app(app, make_parts(settings))
    app.register_blueprint(pages.blueprint)
    app.add_url_rule("/", view_func=pages.home)
    return app


def make_parts(settings: Settings) -> Parts:
    """What the API works with. Touches the store at the first request only. Raises `Misconfigured`."""
    database = Database(settings.database_url)
    metrics = ApiMetrics()
    database.watch_connections(metrics.connections.set)
    return Parts(
        settings=settings,
        database=database,
        cipher=load_cipher(settings),
        last_used=LastUsed(database),
        group_commit=GroupCommit(database),
        rate_limit=RateLimit(settings.rate_limit),
        metrics=metrics,
        sign_ins=RateLimit(min(settings.rate_limit, _SIGN_INS)),
    )
