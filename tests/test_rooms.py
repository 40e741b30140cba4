"""The package's rooms, which may use which, and what starting each of them loads."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import webhook_admin

PACKAGE = Path(webhook_admin.__file__).parent
FILES = {
    ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(PACKAGE.rglob("*.py"))
    if "versions" not in file.parts
}

# From the bottom up: a room imports from the rooms before it in this list, and from its own modules without a cycle.
ROOMS = [
    "__init__",
    "field_errors",
    "errors",
    "webhook_enums",
    "ids",
    "memory",
    "open_files",
    "printable",
    "callback_urls",
    "events",
    "formats",
    "config",
    "columns",
    "models",
    "db",
    "migrations",
    "encryption",
    "logs",
    "queue",
    "accounts",
    "keys",
    "portal_sessions",
    "signing_secrets",
    "webhooks",
    "testing",
    "last_used",
    "sender",
    "metrics",
    "dispatch",
    "verification",
    "web",
    "portal",
    "intake",
    "app",
    "server",
    "cli",
    "__main__",
]
STRANGERS = {("queue", "sender"), ("sender", "queue"), ("sender", "db"), ("sender", "models"), ("sender", "webhooks")}
ONLY_IN = {
    "flask": {"web", "portal", "app"},
    "flask_smorest": {"web"},
    "click": {"cli"},
    "granian": {"server"},
    "markdown_it": {"web"},
    "alembic": {"migrations"},
    "httptools": {"sender"},
    "aiodns": {"sender"},
    "prometheus_client": {"metrics", "cli"},
    "nats": {"intake"},
    "confluent_kafka": {"intake"},
    "aio_pika": {"intake"},
    "requests": {"cli"},
}
# `demo` runs the API in its own process; no other command's process does.
WITHOUT_FLASK = [
    name
    for name in FILES
    if name.partition(".")[0] in {"queue", "sender", "dispatch", "intake", "cli"}
    and name.split(".")[:2] != ["cli", "demo"]
]


def room(module: str) -> str:
    """The room that a module is in."""
    return module.partition(".")[0]


def imported_names(tree: ast.AST) -> set[str]:
    """The dotted names that a file or a function imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_modules(module: str) -> set[str]:
    """The package's modules that a module imports."""
    found = set()
    for name in imported_names(ast.parse(FILES[module].read_text())):
        package, _, rest = name.partition(".")
        if package == "webhook_admin":
            found.add(rest if rest in FILES else rest.rpartition(".")[0] or "__init__")
    return found


@pytest.mark.parametrize("module", FILES)
def test_imports_point_down(module: str) -> None:
    """No room knows one that is built upon it, and those that are strangers do not know each other."""
    below = ROOMS[: ROOMS.index(room(module)) + 1]
    used = {room(other) for other in imported_modules(module)}
    assert used <= set(below)
    assert not {(room(module), other) for other in used} & STRANGERS


def test_no_modules_import_each_other() -> None:
    """Modules of one room have an order, too: none depends on itself by way of others."""
    order = TopologicalSorter({module: imported_modules(module) - {module} for module in FILES})
    assert set(order.static_order()) >= set(FILES)


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_known_where_its_work_is_done(library: str) -> None:
    """HTTP, the command line and the schema's history each stay in their room."""
    users = {
        room(module)
        for module, file in FILES.items()
        if library in {name.partition(".")[0] for name in imported_names(ast.parse(file.read_text()))}
    }
    assert users
    assert users <= ONLY_IN[library]


@pytest.mark.parametrize("module", FILES)
def test_nothing_is_imported_inside_a_function(module: str) -> None:
    """A file's dependencies stand at its top."""
    tree = ast.parse(FILES[module].read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [imported_names(function) for function in functions if imported_names(function)]


def test_dispatchers_and_commands_do_not_load_flask() -> None:
    """Importing any module of the queue, the sender, the dispatcher and the commands leaves Flask out."""
    imports = "".join(f"import webhook_admin.{module}\n" for module in WITHOUT_FLASK)
    check = f"import sys\n{imports}assert 'flask' not in sys.modules, 'Flask is loaded'\n"
    subprocess.run([sys.executable, "-c", check], check=True)
