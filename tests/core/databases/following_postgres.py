"""A followed PostgreSQL for these tests: tables of all kinds, and an application at random."""

from __future__ import annotations

import random

import asyncpg

from s3gc_core.databases import Watched
from s3gc_core.databases.postgres_following import PostgresFollowing
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer

T = [Watched("public.t", ("k",))]
_KEYS = {
    "t_text": "'é \"\\ ' || {n}",
    "t_uuid": "md5('{n}')::uuid",
    "t_time": "timestamptz '2026-01-01' + interval '31 days 0.000001 s' * {n}",
    "t_bytes": "'\\x00ff5c'::bytea || '{n}'::bytea",
    "t_char": "'c{n}'",
    "t_float": "{n} / 7.0::float8",
    "t_bool": "({n} % 2 = 0)",
    "t_pair": "'p\"' || {n} % 3",
}


async def statements(app: AppDatabase, *all_of_them: str) -> None:
    """Run them, each by itself."""
    for statement in all_of_them:
        await app.execute(statement)


async def simple(app: AppDatabase) -> None:
    """The table of `T`."""
    await app.execute("CREATE TABLE t (id int PRIMARY KEY, k text)")


def slot_of(following: PostgresFollowing) -> str:
    """Its slot, and its publication."""
    return f"s3gc_{following.name.lower()}"


async def on_server(postgres: PostgresServer, *commands: str) -> None:
    """Run commands that no transaction may hold, as the superuser."""
    connection = await asyncpg.connect(postgres.url("postgres"))
    try:
        for command in commands:
            await connection.execute(command)
    finally:
        await connection.close()


async def all_kinds(app: AppDatabase) -> tuple[list[str], tuple[str, ...]]:
    """Tables with keys and values of many types; returns them, and their columns."""
    await statements(
        app, "CREATE EXTENSION citext", "CREATE TYPE mood AS ENUM ('so so', 'well')",
        "CREATE DOMAIN short AS varchar(9)", "CREATE DOMAIN many AS text[]",
    )  # fmt: skip
    values = (
        "k text, big text, num numeric, fl float8, ts timestamptz, iv interval, b bytea, j jsonb,"
        " bo bool, ch char(6), e mood, d short, ci citext, arr text[], dom many, ip inet"
    )
    keys = {
        "t_int": "id int, PRIMARY KEY (id)",
        "t_text": "id varchar(40), PRIMARY KEY (id)",
        "t_uuid": "id uuid, PRIMARY KEY (id)",
        "t_time": "id timestamptz, PRIMARY KEY (id)",
        "t_bytes": "id bytea, PRIMARY KEY (id)",
        "t_char": "id char(12), PRIMARY KEY (id)",
        "t_float": "id float8, PRIMARY KEY (id)",
        "t_bool": "i int, id bool, PRIMARY KEY (id, i)",
        "t_pair": "x int, id text, PRIMARY KEY (id, x)",
        "t_full": "id bigint, PRIMARY KEY (id)",
    }
    for table, key in keys.items():
        await app.execute(f"CREATE TABLE {table} ({values}, {key})")
        await app.execute(f"ALTER TABLE {table} ALTER big SET STORAGE EXTERNAL")
    await statements(
        app,
        "ALTER TABLE t_full REPLICA IDENTITY FULL",
        f"CREATE TABLE t_part ({values}, id int, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
        "CREATE TABLE t_low PARTITION OF t_part FOR VALUES FROM (-1000) TO (5)",
        f"CREATE TABLE t_high (id int NOT NULL, {values})",  # another order of columns
        "ALTER TABLE t_part ATTACH PARTITION t_high FOR VALUES FROM (5) TO (1000)",
    )
    columns = tuple(part.split()[0] for part in values.split(","))
    tables = [*keys, "t_part"]
    return tables, columns


async def random_work(
    app: AppDatabase, chance: random.Random, tables: list[str], columns: tuple[str, ...]
) -> None:
    """Transactions over the tables of `all_kinds`; some are rolled back, or parts of them."""
    values = {
        "k": "'key/é\t\n\\' || {n}", "big": "repeat(md5('{n}'), 400)", "num": "{n} / 3.0",
        "fl": "{n} / 3.0::float8", "ts": "timestamptz '2026-07-01 12:00' + interval '1 h' * {n}",
        "iv": "interval '1 day 2:03:04' * {n}", "b": "decode(md5('{n}'), 'hex')",
        "j": "jsonb_build_object('k', 'a{n}')", "bo": "({n} % 2 = 0)", "ch": "'c{n}'",
        "e": "'well'", "d": "'d{n}'", "ci": "'Ci{n}'", "arr": "ARRAY['a,{n}']",
        "dom": "ARRAY['a,{n}']", "ip": "'10.0.0.{n}'",
    }  # fmt: skip

    def value(column: str) -> str:
        if chance.random() < 0.2:
            return "NULL"
        return values[column].format(n=chance.randrange(250))

    for _ in range(25):
        lines = []
        for _ in range(chance.randrange(1, 6)):
            table, number = chance.choice(tables), chance.randrange(-3, 12)
            key = _KEYS.get(table, "{n}").format(n=abs(number) if table in _KEYS else number)
            second = {"t_pair": "x", "t_bool": "i"}.get(table)
            names = ["id", *([second] if second else [])]
            keys = [key, *([str(number)] if second else [])]
            some = chance.sample(columns, 4)
            sets = [f"{column} = {value(column)}" for column in some]
            where = f"ctid = (SELECT ctid FROM {table} ORDER BY random() LIMIT 1)"
            if table == "t_part":
                where = f"id = (SELECT id FROM {table} ORDER BY random() LIMIT 1)"
            kind = chance.random()
            if kind < 0.5:
                listed = ", ".join([*names, *columns])
                made = ", ".join([*keys, *(value(column) for column in columns)])
                updated = ", ".join(f"{column} = excluded.{column}" for column in some)
                lines.append(
                    f"INSERT INTO {table} ({listed}) VALUES ({made})"
                    f" ON CONFLICT ({', '.join(names)}) DO UPDATE SET {updated}"
                )
            elif kind < 0.7:
                lines.append(f"UPDATE {table} SET {', '.join(sets)} WHERE {where}")
            elif kind < 0.85:
                moved = ", ".join(f"{n} = {k}" for n, k in zip(names, keys, strict=True))
                free = " AND ".join(f"{n} = {k}" for n, k in zip(names, keys, strict=True))
                lines.append(
                    f"UPDATE {table} SET {moved} WHERE {where}"
                    f" AND NOT EXISTS (SELECT FROM {table} WHERE {free})"
                )
            elif kind < 0.98:
                lines.append(f"DELETE FROM {table} WHERE {where}")
            else:
                lines.append(f"TRUNCATE {table}")
            if chance.random() < 0.2:
                lines.append("ROLLBACK TO s")
            else:
                lines.append("SAVEPOINT s")
        end = "ROLLBACK" if chance.random() < 0.1 else "COMMIT"
        connection = await asyncpg.connect(app.url)
        try:
            await connection.execute(f"BEGIN; SAVEPOINT s; {'; '.join(lines)}; {end}")
        finally:
            await connection.close()
