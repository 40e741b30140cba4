"""Does, with the client that openapi-generator has made for Python, what a platform and its customer do."""

import json
import sys
from pathlib import Path

import hooks

CALLBACK_URL = "https://hooks.example.com/delivery-status?tenant=42"


def client(url: str, key: str) -> hooks.ApiClient:
    """Calls with the key."""
    return hooks.ApiClient(hooks.Configuration(host=url, api_key={"apiKey": key}))


def main(url: str, key: str, notifications: str) -> None:
    """Fail unless each call has the answer that the document promises."""
    platform = client(url, key)
    hooks.AccountsApi(platform).put_account("pythonista", hooks.AccountInput())
    made = hooks.KeysApi(platform).create_key("pythonista", hooks.KeyInput(name=None))
    webhooks = hooks.DeliveryStatusApi(client(url, made.key))
    created = webhooks.create_delivery_status_webhook(hooks.WebhookInput(callback_url=CALLBACK_URL))
    assert created.status is hooks.WebhookStatus.ACTIVE
    assert webhooks.get_delivery_status_webhook().id == created.id
    codes = []
    try:
        webhooks.update_delivery_status_webhook(hooks.WebhookInput(callback_url="http://hooks.example.com/"))
    except hooks.exceptions.BadRequestException as refused:
        codes = [error.code for error in refused.data.errors]
    assert codes == [hooks.FieldErrorCode.NOT_HTTPS]
    event = {"accountId": "pythonista", "messageId": "1", "channel": "SMS", "status": "SENT"}
    event |= {"timestamp": "2026-04-09T14:39:40.69257Z"}
    assert hooks.EventsApi(platform).accept_events(hooks.EventsInput.from_dict({"events": [event]})).accepted == 1
    webhooks.delete_delivery_status_webhook()
    for name, body in json.loads(Path(notifications).read_text()).items():
        understood = hooks.Notification.from_json(json.dumps(body)).actual_instance
        assert type(understood).__name__ == name, type(understood)


if __name__ == "__main__":
    main(*sys.argv[1:])
