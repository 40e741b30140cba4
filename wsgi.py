"""The HTTP API for any WSGI server: `gunicorn wsgi:app`."""

from webhook_admin import create_app

app = create_app()
