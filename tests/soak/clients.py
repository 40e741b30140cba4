"""Clients that generators make of the OpenAPI document: `python -m tests.soak.clients`, in the checkout's folder.

Each is generated, compiled, and for Go and Python called against the running service. What needs a tool that this
machine does not have is skipped, and the table says so. The tools of npm, Maven, Go and PyPI are fetched, by their own
clients, into a temporary folder or the one that `--folder` names.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import certifi
import click

from tests.soak import stores
from tests.soak.installation import Installation

ROOT = Path(__file__).parents[2]
FILE = ROOT / "openapi" / "openapi.json"
GENERATED = Path(__file__).parent / "generated"
NPM = [
    "@openapitools/openapi-generator-cli@2.35.0",
    "@redocly/cli@2.77.0",
    "@stoplight/spectral-cli@6.16.3",
    "@types/node@22",
    "openapi-typescript@7.13.0",
    "openapi-zod-client@1.18.3",
    "orval@7.13.2",
    "typescript@5",
    "zod@3",
]
GENERATOR = "7.23.0"
TIMEOUT = 600  # seconds for each command
_TSC = ["tsc", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext"]
TSC = [*_TSC, "--moduleResolution", "bundler", "--lib", "es2022,dom", "--types", "node"]
_ORVAL = """module.exports = {
  fetch: {input: "openapi.json", output: {target: "orval/fetch.ts", client: "fetch", schemas: "orval/model"}},
  zod: {input: "openapi.json", output: {target: "orval/zod.ts", client: "zod"}},
};
"""
# Its class for webhooks has no imports, whatever the document says; a client calls none.
_NO_WEBHOOKS = ["--global-property", "apis,models,supportingFiles,apiDocs=false,modelDocs=false"]


@dataclass(frozen=True)
class Check:
    """Commands that all have to succeed, in the folder, and the programs that they need."""

    name: str
    needs: Sequence[str]
    commands: Sequence[Sequence[str]]


def generate(language: str, *options: str) -> list[str]:
    """The command that makes a client by openapi-generator, in a folder of the language's name."""
    return ["npx", "openapi-generator-cli", "generate", "-i", "openapi.json", "-g", language, "-o", language, *options]


def by_npm() -> Iterator[Check]:
    """Two linters, and TypeScript by three generators."""
    documents = {
        "Redocly, recommended rules": [["redocly", "lint", "openapi.json"]],
        "Spectral, spectral:oas": [["spectral", "lint", "openapi.json", "-r", "rules.yaml"]],
        "openapi-typescript": [["openapi-typescript", "openapi.json", "-o", "ts.ts"], [*TSC, "ts.ts"]],
        "openapi-zod-client": [["openapi-zod-client", "openapi.json", "-o", "zod.ts"], [*TSC, "zod.ts"]],
        "orval, fetch and zod": [["orval"], [*TSC, "orval/fetch.ts", "orval/zod.ts"]],
    }
    for name, commands in documents.items():
        yield Check(name, ["npx"], [["npx", *command] for command in commands])


def by_openapi_generator(arguments: Sequence[str]) -> Iterator[Check]:
    """Four languages; `arguments` are those of the programs that call the service."""
    yield Check(
        "typescript-fetch",
        ["npx", "java"],
        [
            generate("typescript-fetch", "--additional-properties", "npmName=hooks,supportsES6=true", *_NO_WEBHOOKS),
            ["npx", "tsc", "--noEmit", "-p", "typescript-fetch/tsconfig.json"],
        ],
    )
    yield Check(
        "go, called",
        ["npx", "java", "go"],
        [
            generate("go", "--additional-properties", "packageName=hooks"),
            ["cp", "-r", f"{GENERATED}/.", "go/call"],
            ["go", "-C", "go", "vet", ".", "./call"],
            ["go", "-C", "go", "run", "./call", *arguments],
        ],
    )
    yield Check(
        "java",
        ["npx", "java", "mvn"],
        [generate("java", "--library", "native"), ["mvn", "-q", "-B", "-f", "java/pom.xml", "compile"]],
    )
    yield Check(
        "python, called",
        ["npx", "java"],
        [
            generate("python", "--package-name", "hooks"),
            [sys.executable, "-m", "venv", "venv"],
            ["venv/bin/pip", "install", "-q", "./python"],
            ["venv/bin/python", str(GENERATED / "call.py"), *arguments],
        ],
    )


def prepare(folder: Path) -> None:
    """The document and the tools' own files, and the tools of npm if there is npm."""
    shutil.copy(FILE, folder)
    content = json.loads(FILE.read_text())["webhooks"]["deliveryStatus"]["post"]["requestBody"]["content"]
    examples = content["application/json"]["examples"]
    classes = {"".join(map(str.capitalize, name.split("-"))): each["value"] for name, each in examples.items()}
    (folder / "notifications.json").write_text(json.dumps(classes))
    (folder / "rules.yaml").write_text('extends: ["spectral:oas"]\n')
    (folder / "orval.config.cjs").write_text(_ORVAL)
    (folder / "package.json").write_text('{"private": true}')
    (folder / "openapitools.json").write_text(json.dumps({"generator-cli": {"version": GENERATOR}}))
    if shutil.which("npm"):
        run(["npm", "install", "--no-audit", "--no-fund", "--loglevel", "error", *NPM], folder)


def run(command: Sequence[str], folder: Path) -> None:
    """Run it. Raises `ClickException` with the end of its output if it fails."""
    environment = os.environ | {"CI": "1", "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}\n{(done.stdout + done.stderr)[-3_000:]}")


def outcome(check: Check, folder: Path) -> str:
    """What became of the check: ok, skipped or FAILED."""
    missing = [program for program in check.needs if not shutil.which(program)]
    if missing:
        return f"skipped: no {', '.join(missing)}"
    started = time.monotonic()
    try:
        for command in check.commands:
            run(command, folder)
    except click.ClickException as error:
        return f"FAILED: {error.message}"
    return f"ok, {time.monotonic() - started:.0f} s"


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Keep everything in this folder; default: temporary.")
def main(folder: Path | None) -> None:
    """Make clients from the OpenAPI document, compile them, and call the service with them."""
    with TemporaryDirectory(prefix="soak-") as name:
        place = (folder or Path(name) / "clients").absolute()
        place.mkdir(parents=True, exist_ok=True)
        prepare(place)
        outcomes = []
        with Installation(stores.sqlite(Path(name)), Path(name), Path(certifi.where())) as service:
            arguments = [service.url, service.key, str(place / "notifications.json")]
            for check in (*by_npm(), *by_openapi_generator(arguments)):
                outcomes.append(outcome(check, place))
                click.echo(f"  {check.name:<30} {outcomes[-1]}")
    sys.exit(any(text.startswith("FAILED") for text in outcomes))


if __name__ == "__main__":
    main()
