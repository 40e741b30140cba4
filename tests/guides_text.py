"""README and guides, taken apart: their sections, code blocks and tables; and their shell examples, run."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
GUIDES = ROOT / "webhook_admin" / "guides"


@dataclass(frozen=True)
class Document:
    """A Markdown text, or a section of one."""

    text: str

    def section(self, title: str) -> "Document":
        """The text between this heading of the second level and the next."""
        parts = re.split(r"^## ", self.text, flags=re.MULTILINE)
        return Document(next(part for part in parts if part.startswith(f"{title}\n")))

    def blocks(self, language: str) -> list[str]:
        """The code blocks in this language."""
        return re.findall(rf"^```{language}\n(.*?)^```", self.text, flags=re.MULTILINE | re.DOTALL)

    def tables(self) -> list[str]:
        """The tables, as they stand."""
        return re.findall(r"(?:^\|.*\n)+", self.text, flags=re.MULTILINE)

    def rows(self, table: int = 0) -> list[list[str]]:
        """The rows of a table, without its header; back quotes around a cell taken off."""
        lines = self.tables()[table].splitlines()[2:]
        return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def guide(name: str) -> Document:
    """A guide."""
    return Document((GUIDES / f"{name}.md").read_text())


README = Document((ROOT / "README.md").read_text())


def run_shell(folder: Path, script: str, **environment: str) -> str:
    """Run a script of examples in the folder, with `webhook-admin` in the path; its output. Each command must succeed.

    `curl` fails where the answer is an error.
    """
    (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | {"CURL_HOME": str(folder), "PATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
