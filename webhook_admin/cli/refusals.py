"""Errors in the words of the command line: they name commands where the API's own name HTTP calls."""

from collections.abc import Mapping
from typing import Any

from webhook_admin import errors

# Each with the parameters of the command that has met the error.
SENTENCES: Mapping[type[errors.Error], str] = {
    errors.AccountNotFound: (
        "There is no account {account_id}. Create it with `webhook-admin accounts create {account_id}`."
    ),
    errors.AccountExists: "There is an account {account_id} already. `webhook-admin accounts list` shows all accounts.",
    errors.KeyNotFound: (
        "There is no API key {key_id}; it may have been revoked already. `webhook-admin keys list` shows all keys."
    ),
    errors.TooManyKeys: (
        "The account {account_id} has two active API keys, which is the limit. "
        "Revoke one with `webhook-admin keys revoke KEY_ID` first; "
        "`webhook-admin keys list --account {account_id}` shows them."
    ),
    errors.WebhookNotFound: (
        "The account {account_id} has no webhook. `webhook-admin webhooks list` shows the accounts that have one."
    ),
    errors.RotationInProgress: (
        "Notifications to the account {account_id} are still signed with the previous secret, too, until "
        "previousSecretExpiresAt, which `webhook-admin webhooks show --account {account_id}` shows. Another rotation "
        "ends that now, and a receiver that still verifies with it would refuse them; --force rotates all the same."
    ),
    errors.WebhookDisabled: (
        "The account's webhook is disabled: nothing is sent to it until PUT makes it active again. `webhook-admin "
        "webhooks list --status DISABLED` says why, and `webhook-admin webhooks test --url` tries another URL."
    ),
    errors.DeliveryNotFound: (
        "There is no delivery {delivery_id}. `webhook-admin deliveries list` shows the newest deliveries."
    ),
    errors.NothingToSendTo: (
        "There is nothing to send to: the account has no webhook. "
        "`webhook-admin webhooks list` shows the accounts that have one."
    ),
    errors.TestNotResent: "Deliveries of test events are not resent. Send another with `webhook-admin webhooks test`.",
    errors.DeliveryInFlight: (
        "An attempt is in flight, or its dispatcher has stopped in the middle of one. "
        "See what has come of it with `webhook-admin deliveries show {delivery_id}`, then resend."
    ),
}


def sentence(error: errors.Error, parameters: Mapping[str, Any]) -> str:
    """What is wrong and what to do, for somebody who has run a command with these parameters."""
    if isinstance(error, errors.StoreUnavailable):
        return error.cause
    if isinstance(error, errors.InvalidInput):
        return " ".join(fault.message for fault in error.errors)
    template = SENTENCES.get(type(error))
    return template.format_map(parameters) if template else str(error)
