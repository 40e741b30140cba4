"""The schema's versions."""

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, inspect, text

from webhook_admin import migrations
from webhook_admin.db import Database, versions
from webhook_admin.errors import Misconfigured
from webhook_admin.migrations.upgrading import upgrade as upgrade_schema
from webhook_admin.models import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A store without any table."""
    if request.param == "sqlite":
        with closing(Database(URL.create("sqlite", database=str(tmp_path / "empty.db")))) as database:
            yield database
    else:
        with closing(Database(request.getfixturevalue("postgresql_url"))) as database:
            with database.connect() as connection:
                connection.exec_driver_sql("DROP SCHEMA public CASCADE")
                connection.exec_driver_sql("CREATE SCHEMA public")
            yield database


def test_the_migrations_make_the_tables_of_the_models(database: Database) -> None:
    """Alembic finds nothing to add to what the migrations have made."""
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_the_migrations_set_the_models_storage_parameters(database: Database) -> None:
    """Alembic does not compare them: PostgreSQL's are those that the models name."""
    with database.connect() as connection:
        rows = connection.execute(text("SELECT relname, reloptions FROM pg_class WHERE relkind = 'r'"))
        found = {row.relname: dict(each.split("=") for each in row.reloptions or ()) for row in rows.all()}
    for table in metadata.sorted_tables:
        given = table.dialect_options["postgresql"]["with"] or {}
        assert found[table.name] == {name: str(value) for name, value in given.items()}


def test_the_newest_revision_is_alembics() -> None:
    """The version that commands compare with, without loading Alembic, is the last of the migrations."""
    folder = str(Path(migrations.__file__).parent)
    assert ScriptDirectory(folder).get_current_head() == migrations.HEAD


def test_a_database_that_is_too_old_is_refused(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the first command that opens it, with its version and what to do; nothing is made."""
    kind = "sqlite" if empty.file else "postgresql"
    monkeypatch.setitem(versions.OLDEST, kind, (99, 1))
    for start in (upgrade_schema, migrations.require_current):
        with pytest.raises(Misconfigured) as caught:
            start(empty)
        assert re.search(
            r" [0-9]+\.[0-9.]+, and webhook-admin needs 99\.1 or later\. (Use|Upgrade) ", str(caught.value)
        )
    with empty.connect() as connection:
        assert not inspect(connection).get_table_names()


def test_upgrading_twice_changes_nothing_more(empty: Database) -> None:
    """The first upgrade does its work and says so; the second has none."""
    assert upgrade_schema(empty)
    assert not upgrade_schema(empty)
    migrations.require_current(empty)


def test_many_may_upgrade_at_once(empty: Database) -> None:
    """Machines that are started together do not trip over each other: one does the work."""
    results: list[bool] = []

    def upgrade() -> None:
        with closing(Database(empty.url)) as database:
            results.append(upgrade_schema(database))

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]


def test_a_store_without_schema_is_refused(empty: Database) -> None:
    """The sentence names the command to run."""
    empty.create_file()
    with pytest.raises(Misconfigured, match="run `webhook-admin db upgrade`"):
        migrations.require_current(empty)


def test_a_store_of_another_version_is_refused(database: Database) -> None:
    """A newer schema is as wrong as an older one."""
    with database.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Misconfigured, match="9999"):
        migrations.require_current(database)


def test_deliveries_of_before_can_be_looked_for(empty: Database) -> None:
    """Version 0004 keeps an event's channel and status beside it; a damaged event has neither, and harms nothing."""
    empty.create_file()
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    event = '{"id": "e", "message_id": "m", "channel": "SMS", "status": "SENT", "timestamp": "2026-04-09T14:39:40Z"}'
    with empty.transaction() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.execute(
            text("""
            INSERT INTO deliveries (account_id, id, account_created_at, destination, event_id, message_id, event, state,
                                    attempts, recorded, created_at)
            VALUES ('acme', :id, '2026-01-31 09:30:00', '', :event_id, 'm', :event, 'DELIVERED', 1, 1, 0)
            """),
            [{"id": n, "event_id": n, "event": each} for n, each in (("1", event), ("2", "{damaged"))],
        )
    upgrade_schema(empty)
    with empty.connect() as connection:
        rows = connection.execute(text("SELECT channel, status, attempts_before FROM deliveries ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [("SMS", "SENT", 0), ("", "", 0)]
