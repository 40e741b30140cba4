"""Serves `echo` as `webhook-admin serve` does the API: `python -m tests.server.serve_echo PORT`."""

import sys

from tests.server.echo import application
from webhook_admin.server import process
from webhook_admin.server.adapter import Adapter

if __name__ == "__main__":
    process.Server(process.listen("127.0.0.1", int(sys.argv[1]))).run(lambda: Adapter(application))
