"""The package's rooms, and which may use which."""

import ast
from pathlib import Path

import pytest

import webhook_admin

PACKAGE = Path(webhook_admin.__file__).parent
FILES = sorted(file for file in PACKAGE.rglob("*.py") if "versions" not in file.parts)

# From the bottom up: a room imports from rooms above it in this list, and from its own.
ROOMS = [
    "errors",
    "ids",
    "callback_urls",
    "events",
    "formats",
    "config",
    "models",
    "db",
    "migrations",
    "encryption",
    "logs",
    "accounts",
    "keys",
    "webhooks",
    "last_used",
    "delivery",
    "web",
    "__init__",
    "cli",
    "__main__",
]
ONLY_IN = {
    "flask": {"web", "__init__"},
    "flask_smorest": {"web"},
    "click": {"cli"},
    "granian": {"cli"},
    "alembic": {"migrations"},
    "pycurl": {"delivery"},
    "requests": {"cli"},
}


def room(file: Path) -> str:
    """The room that a file is in."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> set[tuple[str, ...]]:
    """The dotted names that a file imports, as tuples."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {tuple(name.split(".")) for name in names}


def imported_rooms(file: Path) -> set[str]:
    """The rooms that a file imports from."""
    own = {name[1] for name in imports(ast.parse(file.read_text())) if name[0] == "webhook_admin"}
    return {name if name in ROOMS else "__init__" for name in own}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_down(file: Path) -> None:
    """No room knows one that is built upon it."""
    below = ROOMS[: ROOMS.index(room(file)) + 1]
    assert imported_rooms(file) <= set(below)


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_known_where_its_work_is_done(library: str) -> None:
    """HTTP, the command line and the schema's history each stay in their room."""
    users = {room(file) for file in FILES if library in {name[0] for name in imports(ast.parse(file.read_text()))}}
    assert users
    assert users <= ONLY_IN[library]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_nothing_is_imported_inside_a_function(file: Path) -> None:
    """What a file depends on stands at its top."""
    functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
    assert not [imports(function) for function in functions if imports(function)]
