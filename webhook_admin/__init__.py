"""webhook_admin: delivery-status webhooks for messaging platforms."""
