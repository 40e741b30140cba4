"""X-Signature, which mta-v1 sends besides the Standard Webhooks headers."""

from webhook_admin import formats


def test_is_the_hmac_of_rfc_4231() -> None:
    """Lower-case hexadecimal HMAC-SHA256 of the body by the key, as in test case 2 of RFC 4231."""
    assert formats.headers("mta-v1", b"what do ya want for nothing?", b"Jefe") == {
        "X-Signature": "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    }


def test_without_a_secret_there_is_none() -> None:
    """A callback of an account without a webhook goes without a signature."""
    assert formats.headers("mta-v1", b"{}", None) == {}


def test_no_other_format_has_it() -> None:
    """A format that says nothing of headers adds none."""
    assert [name for name in formats.FORMATS if formats.headers(name, b"{}", b"key")] == ["mta-v1"]
