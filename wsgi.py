"""The HTTP API for any WSGI server: `gunicorn wsgi:app`."""

from webhook_admin.app import create_app

app = create_app()
