"""Who calls, as far as it is known before an API key is looked up."""

from webhook_admin.server.callers import Callers

KEY = {"HTTP_X_API_KEY": "whak_one"}
BEARER = {"HTTP_AUTHORIZATION": "Bearer whak_one"}


def test_a_key_that_has_worked_is_known() -> None:
    """A caller is its API key, in whichever header that comes, or its session; others are one and the same stranger."""
    callers = Callers()
    assert callers.caller(KEY) is callers.caller(BEARER) is callers.caller({}) is None
    callers.note(KEY, "key_1")
    callers.note(BEARER, "key_1")
    assert callers.caller(KEY) == callers.caller(BEARER) == "key_1"
    callers.note({"HTTP_COOKIE": "portal=one"}, "session")
    assert callers.caller({"HTTP_COOKIE": "portal=one"}) == "session"
    assert callers.caller({"HTTP_COOKIE": "portal=two"}) is None
    assert callers.caller({"HTTP_X_API_KEY": "whak_two"}) is None
    assert callers.caller(KEY | {"HTTP_AUTHORIZATION": "Bearer whak_two"}) is None


def test_the_key_that_has_been_idle_for_longest_is_forgotten() -> None:
    """Memory has an end."""
    callers = Callers(max_known=2)
    for key in ("one", "two", "one", "three"):
        callers.note({"HTTP_X_API_KEY": key}, f"key_{key}")
    known = {key: callers.caller({"HTTP_X_API_KEY": key}) for key in ("one", "two", "three")}
    assert known == {"one": "key_one", "two": None, "three": "key_three"}
