"""x"""
import pytest, time
from conftest import WEBHOOK, Api, URL_1

@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("n", range(4))
def test_a(environment, start, n: int) -> None:
    """x"""
    t=time.time()
    r = start()
    print("UP",time.time()-t)
    r.stop()
    print("DOWN",time.time()-t)
    print(r.log.read_text())
