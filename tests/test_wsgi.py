"""`wsgi:app` behind other WSGI servers, behind nginx, and under a path prefix."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from tests.api import URL_1, WEBHOOK
from tests.processes import Process
from tests.waiting import wait_until
from webhook_admin import accounts, keys
from webhook_admin.db import Database

ROOT = Path(__file__).parents[1]
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
Serve = Callable[..., str]
COMMANDS = {
    "gunicorn": [sys.executable, "-m", "gunicorn", "--threads", "4", "--bind", "127.0.0.1:{port}", "wsgi:app"],
    "waitress": [sys.executable, "-m", "waitress", "--listen", "127.0.0.1:{port}", "wsgi:app"],
    "uwsgi": [
        *(str(Path(sys.executable).with_name("uwsgi")), "--http", "127.0.0.1:{port}", "--master", "--die-on-term"),
        *("--threads", "4", "--virtualenv", sys.prefix, "-w", "wsgi:app"),
    ],
}
NGINX = """
user root; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 5m;
        location / {{ proxy_pass {upstream}; proxy_set_header Host $http_host; }}
    }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/live", timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def run(environment: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Runs a command on a free port, `{port}` in it, until the test ends; returns the URL once the API answers."""
    with ExitStack() as stack:

        def run(command: list[str], prefix: str = "", **variables: str) -> str:
            if not shutil.which(command[0]):
                pytest.skip(f"there is no {command[0]} here")
            port = free_port()
            arguments = [part.format(port=port) for part in command]
            process = stack.enter_context(
                subprocess.Popen(arguments, cwd=ROOT, env=os.environ | variables, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.terminate)
            wait_until(lambda: answers(f"http://127.0.0.1:{port}{prefix}"), 20)
            return f"http://127.0.0.1:{port}{prefix}"

        yield run


@pytest.fixture
def headers(database: Database) -> dict[str, str]:
    """Those of a platform key that acts for `acme`."""
    with database.transaction() as connection:
        accounts.create(connection, "acme", datetime.now(UTC))
        return {"X-API-Key": keys.create(connection, None, datetime.now(UTC)).key, "X-Account-Id": "acme"}


def use(url: str, headers: dict[str, str]) -> requests.Response:
    """Fail unless the API works there, large and refused bodies included; the answer that made the webhook."""
    made = requests.post(url + WEBHOOK, json={"callbackUrl": URL_1}, headers=headers, timeout=10)
    assert made.status_code == 201
    assert requests.get(url + WEBHOOK, headers=headers, timeout=10).json()["callbackUrl"] == URL_1
    assert requests.get(url + WEBHOOK, timeout=10).status_code == 401
    events = [
        {"accountId": "acme", "messageId": "m", "channel": "SMS", "status": "SENT", "timestamp": "2026-04-09T14:39:40Z"}
    ]
    posted = requests.post(f"{url}/events", json={"events": events * 1_000}, headers=headers, timeout=10)
    assert posted.json() == {"accepted": 1_000, "duplicates": 0, "unrouted": 0}
    too_large = requests.put(url + WEBHOOK, data=b" " * 70_000, headers=headers | {"Content-Type": "application/json"})
    assert too_large.status_code == 413
    assert requests.get(f"{url}/docs/swagger-ui.css", timeout=10).headers["Content-Type"].startswith("text/css")
    assert requests.delete(url + WEBHOOK, headers=headers, timeout=10).status_code == 204
    return made


@pytest.mark.parametrize("server", COMMANDS)
def test_any_wsgi_server_will_do(run: Serve, headers: dict[str, str], server: str) -> None:
    """The application keeps to WSGI: other servers, with threads, serve it as it is."""
    use(run(COMMANDS[server]), headers)


@ON_SQLITE
def test_behind_nginx(run: Serve, headers: dict[str, str], start: Callable[..., Process], tmp_path: Path) -> None:
    """`serve` works behind a proxy, which may keep its connections open."""
    upstream = start().url
    configuration = tmp_path / "nginx.conf"
    port_free = NGINX.format(folder=tmp_path, port="{port}", upstream=upstream)
    shell = f"sed s/@port@/{{port}}/ {configuration} > {configuration}.used && exec nginx -c {configuration}.used"
    configuration.write_text(port_free.replace("{port}", "@port@"))
    if not shutil.which("nginx"):
        pytest.skip("there is no nginx here")
    use(run(["sh", "-c", shell]), headers)


@ON_SQLITE
def test_under_a_path_prefix(run: Serve, headers: dict[str, str]) -> None:
    """With SCRIPT_NAME, everything works below the prefix."""
    url = run(COMMANDS["gunicorn"], prefix="/hooks", SCRIPT_NAME="/hooks")
    use(url, headers)
    assert requests.get(f"{url}/openapi.json", timeout=10).ok
    assert requests.get(f"{url}/docs", timeout=10).ok
