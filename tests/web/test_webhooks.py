"""x"""
import pytest
from conftest import WEBHOOK, Api, URL_1

@pytest.mark.parametrize("n", range(40))
def test_a(customer: Api, n: int) -> None:
    """x"""
    r = customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    assert r.status_code == 201
