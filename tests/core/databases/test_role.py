"""Whether a server says that it is the primary, and what makes it doubtful."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import DatabaseUrl, Engine, Role, open_database
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer

_ADDRESS = "give the primary's address under [database] url"


async def role(url: str) -> Role:
    """The role, which is the same for a connection of its own and for a snapshot's."""
    database = open_database(DatabaseConfig(url))
    alone = await database.role()
    async with database.snapshot() as snapshot:
        assert await snapshot.role() == alone
    return alone


class Standby(PostgresServer):
    """A server that waits for what a primary wrote."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.run(Path("/usr/bin/touch"), self.folder / "data" / "standby.signal")


async def test_a_standby_is_not_the_primary() -> None:
    async with Standby() as server:
        found = await role(server.url("postgres"))
    assert found == Role("it is a standby: it replays what another server wrote", _ADDRESS)


async def test_postgres(on_postgres: AppDatabase) -> None:
    app = on_postgres
    assert await role(app.url) == Role()
    name = DatabaseUrl.parse(app.url).database
    # What a user of ours may do says nothing of the server.
    await app.execute(f"CREATE ROLE reads_{name} LOGIN PASSWORD 'reads'")
    await app.execute(f"ALTER ROLE reads_{name} SET default_transaction_read_only = on")
    reads = replace(DatabaseUrl.parse(app.url), user=f"reads_{name}", password="reads").render()
    assert await role(reads) == Role()
    await app.execute(
        "CREATE SUBSCRIPTION theirs CONNECTION 'host=127.0.0.1 port=1 dbname=no' PUBLICATION p"
        " WITH (connect = false)"
    )
    try:
        assert await role(reads) == Role()  # it is not enabled
        await app.execute("ALTER SUBSCRIPTION theirs ENABLE")
        assert "subscription" in (await role(reads)).doubt
    finally:
        await app.execute("ALTER SUBSCRIPTION theirs DISABLE")
        await app.execute("ALTER SUBSCRIPTION theirs SET (slot_name = NONE)")
        await app.execute("DROP SUBSCRIPTION theirs")
    assert await role(reads) == Role()


async def test_mariadb(on_mariadb: AppDatabase) -> None:
    app = on_mariadb
    url = DatabaseUrl.parse(app.url)
    assert await role(app.url) == Role()
    await app.execute("CREATE USER reader IDENTIFIED BY 'pw'")
    try:
        await app.execute(f"GRANT SELECT ON {url.database}.* TO reader")
        reader = replace(url, user="reader", password="pw").render()
        found = await role(reader)
        assert "the right REPLICA MONITOR is missing" in found.doubt
        await app.execute(found.mend)
        assert await role(reader) == Role()
        # One connection of several, and not begun.
        await app.execute("CHANGE MASTER 'other' TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1")
        found = await role(reader)
        assert found == Role("it is a replica: it replays what another server wrote", _ADDRESS)
    finally:
        await app.execute("RESET SLAVE 'other' ALL")
        await app.execute("DROP USER reader")


async def test_a_file_is_its_own_primary(tmp_path: Path) -> None:
    (tmp_path / "app.db").touch()
    url = DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render()
    assert await role(url) == Role()
