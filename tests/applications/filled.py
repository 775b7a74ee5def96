"""One application installed, filled, and looked at: what the command line and tests share."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from s3gc_core.database_url import DatabaseUrl, Engine
from tests.applications.application import Application, Recipe
from tests.applications.searching import Spelled
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer


@asynccontextmanager
async def filled(recipe: Recipe, engine: Engine, cache: Path) -> AsyncIterator[Application]:
    """The application on a server of its own, which goes away at the end.

    Raises ValueError for an engine the application cannot use, CommandFailedError when it cannot
    be installed or filled.
    """
    if engine not in recipe.engines:
        raise ValueError(f"{recipe.name} is filled on {', '.join(recipe.engines)}, not on {engine}")
    with tempfile.TemporaryDirectory(prefix="s3gc-application-") as name:
        folder = Path(name)
        async with _empty_database(engine, folder) as url:
            work = folder / "work"
            work.mkdir()
            yield await recipe.fill(url, work, cache)


@asynccontextmanager
async def _empty_database(engine: Engine, folder: Path) -> AsyncIterator[str]:
    match engine:
        case Engine.SQLITE:
            yield DatabaseUrl(engine, str(folder / "app.db")).render()
        case Engine.POSTGRESQL:
            async with PostgresServer() as postgres:
                yield await postgres.create_database()
        case Engine.MYSQL:
            async with MariadbServer() as mariadb:
                yield await mariadb.create_database()


def differences(application: Application, spelled: Mapping[str, Spelled]) -> list[str]:
    """Where the told truth and what the database spells part ways; empty when they agree."""
    wrong = []
    for column in sorted({*application.holds, *application.mentions, *spelled}):
        told = application.holds.get(column, frozenset()) | application.mentions.get(
            column, frozenset()
        )
        found = spelled[column].keys if column in spelled else set()
        if told - found:
            wrong.append(f"{column} does not spell {sorted(told - found)}")
        if found - told:
            wrong.append(f"{column} spells {sorted(found - told)}, which nobody told of")
    for column, said in spelled.items():
        if left := said.whole & application.unreferenced:
            wrong.append(f"{column} still has the key of {sorted(left)}")
    return wrong
