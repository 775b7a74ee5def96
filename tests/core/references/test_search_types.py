"""Keys are found in values of every type in which one can stand, whatever the type is called."""

from __future__ import annotations

import pytest

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import open_database
from s3gc_core.references import Course, DatabaseSearch, KeySearch, pattern_search
from tests.servers.app_database import AppDatabase

KEY = "files/object-7.jpg"
LABEL = "files.archive_2024.object_7"
ADDRESS = "2001:db8:1f2e:3d4c::77"
POSTGRES = [
    "CREATE EXTENSION citext",
    "CREATE EXTENSION hstore",
    "CREATE EXTENSION ltree",
    f"CREATE TYPE kind AS ENUM ('{KEY}')",
    "CREATE TYPE words AS RANGE (subtype = text)",
    "CREATE TYPE pair AS (n int, k kind)",
    "CREATE DOMAIN kinds AS kind[]",
]
# By type: a value, and the key that stands in it.
POSTGRES_VALUES = {
    "kind": (KEY, KEY),
    "kind[]": (f'{{"{KEY}"}}', KEY),
    "kinds": (f'{{"{KEY}"}}', KEY),
    "pair": (f"(1,{KEY})", KEY),
    "pair[]": (f'{{"(1,{KEY})"}}', KEY),
    "words": (f"[{KEY},z)", KEY),
    "words_multirange": (f"{{[a,{KEY}]}}", KEY),
    "tsvector": (f"''{KEY}'':3 and:4", KEY),
    "tsquery": (f"''{KEY}'' & other", KEY),
    "jsonpath": (f'$.a ? (@ == "{KEY}")', KEY),
    "citext": (KEY, KEY),
    "hstore": (f"a=>{KEY}", KEY),
    "ltree": (LABEL, LABEL),
    "ltree[]": (f"{{{LABEL}}}", LABEL),
    "xml": (f"<a>{KEY}</a>", KEY),
    "inet": (ADDRESS, ADDRESS),
    "cidr": (f"{ADDRESS}/128", ADDRESS),
}
MARIADB_VALUES = {
    f"ENUM('x', '{KEY}')": (KEY, KEY),
    f"SET('x', '{KEY}')": (f"x,{KEY}", KEY),
    "INET6": (ADDRESS, ADDRESS),
}


@pytest.fixture(autouse=True)
def every_place_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key stands in more columns here than a person would want to be told of."""
    monkeypatch.setattr(pattern_search, "PLACES_TOLD", 100)


async def _found(app: AppDatabase, values: dict[str, tuple[str, str]]) -> None:
    body = ", ".join(f"c{i} {kind}" for i, kind in enumerate(values))
    await app.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {body})")
    literals = ", ".join(f"'{value}'" for value, _ in values.values())
    nulls = ", ".join(["NULL"] * len(values))
    await app.execute(f"INSERT INTO t VALUES (1, {nulls}), (2, {literals})")
    keys = [KEY, LABEL, ADDRESS]
    search = KeySearch(keys)
    names = dict(zip(search.hashes, keys, strict=True))
    databases = [open_database(DatabaseConfig(app.url))]
    searching = DatabaseSearch(databases, search, (), (), Course())
    found = {
        (one.place.rpartition(".")[2], one.row, names[one.hash])
        async for some in searching.mentions()
        for one in some
    }
    assert found == {(f"c{i}", 2, key) for i, (_, key) in enumerate(values.values())}
    assert searching.problems == {}


@pytest.mark.parametrize("app_server", ["postgres"], indirect=True)
async def test_values_of_every_type_of_postgres(app_database: AppDatabase) -> None:
    for statement in POSTGRES:
        await app_database.execute(statement)
    await _found(app_database, POSTGRES_VALUES)


@pytest.mark.parametrize("app_server", ["mariadb"], indirect=True)
async def test_values_of_every_type_of_mariadb(app_database: AppDatabase) -> None:
    await _found(app_database, MARIADB_VALUES)


@pytest.mark.parametrize("app_server", ["postgres"], indirect=True)
@pytest.mark.parametrize("key", ["it's/o'clock-2024.jpg", "back\\slash-2024.jpg"])
async def test_words_of_a_tsvector_come_as_they_are(app_database: AppDatabase, key: str) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, words tsvector)")
    await app_database.execute("INSERT INTO t VALUES (1, array_to_tsvector(ARRAY['a', $1]))", key)
    databases = [open_database(DatabaseConfig(app_database.url))]
    searching = DatabaseSearch(databases, KeySearch([key]), (), (), Course())
    assert [one.row async for some in searching.mentions() for one in some] == [1]
