"""`python -m webhook_admin` is `webhook-admin`."""

from webhook_admin.cli import main

main(prog_name="webhook-admin")
