"""The oldest databases that have what our SQL needs."""

from sqlalchemy import Connection

from webhook_admin.errors import Misconfigured

OLDEST = {
    # RETURNING and AS MATERIALIZED came with SQLite 3.35.0 (https://sqlite.org/releaselog/3_35_0.html). Tried: 3.35.2
    # names the columns of RETURNING in another way, and 3.37.2, which Ubuntu 22.04 has, works.
    "sqlite": (3, 37),
    # autovacuum_vacuum_insert_scale_factor came with PostgreSQL 13, AS MATERIALIZED with 12 (their release notes).
    # Tried: 13.23.
    "postgresql": (13,),
}


def require_new_enough(connection: Connection, name: str) -> None:
    """Raise `Misconfigured` if the database is older than our SQL; `name` is the store's, for people."""
    kind = connection.dialect.name
    # The driver knows it, or has asked when it connected first.
    found = connection.dialect.server_version_info
    if found is None or found >= OLDEST[kind]:
        return
    is_, oldest = (".".join(map(str, version)) for version in (found, OLDEST[kind]))
    if kind == "sqlite":
        raise Misconfigured(
            f"This Python has SQLite {is_}, and webhook-admin needs {oldest} or later. "
            "Use a Python that was built with a newer one, or PostgreSQL."
        )
    raise Misconfigured(f"{name} is version {is_}, and webhook-admin needs {oldest} or later. Upgrade the server.")
