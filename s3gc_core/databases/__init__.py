"""The application's databases: read-only, consistent, streaming views, one file per engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial

from s3gc_core.config import DatabaseConfig
from s3gc_core.database_url import DatabaseUrl, Engine
from s3gc_core.databases.changes import (
    UNCHANGED,
    UNTOLD,
    Beat,
    Change,
    Commit,
    RowChange,
    TableAltered,
    TableEmptied,
    Untold,
)
from s3gc_core.databases.following import (
    ChangeStream,
    FileVersion,
    FileWatch,
    Following,
    Lag,
    LeftBehind,
    Obstacle,
    Start,
    Watched,
)
from s3gc_core.databases.protocol import (
    Database,
    Lines,
    ListedTable,
    Page,
    Probes,
    ProbeWay,
    Role,
    Row,
    RowId,
    Snapshot,
    TableRead,
    TableShape,
    TextColumn,
    Value,
)

__all__ = [
    "UNCHANGED",
    "UNTOLD",
    "Beat",
    "Change",
    "ChangeStream",
    "Commit",
    "Database",
    "DatabaseUrl",
    "Engine",
    "FileVersion",
    "FileWatch",
    "Following",
    "Lag",
    "LeftBehind",
    "Lines",
    "ListedTable",
    "Obstacle",
    "Page",
    "ProbeWay",
    "Probes",
    "Role",
    "Row",
    "RowChange",
    "RowId",
    "Snapshot",
    "Start",
    "TableAltered",
    "TableEmptied",
    "TableRead",
    "TableShape",
    "TextColumn",
    "Untold",
    "Value",
    "Watched",
    "open_database",
    "open_following",
    "open_followings",
    "watch_file",
]


def open_database(config: DatabaseConfig) -> Database:
    """The database that `config.url` names. Opens no connection yet.

    Raises `ConfigurationError` for a URL that cannot be used.
    """
    url = DatabaseUrl.parse(config.url)
    # A driver is imported only where its engine is used: together they take half a second.
    match url.engine:
        case Engine.POSTGRESQL:
            from s3gc_core.databases.postgres import PostgresDatabase

            return PostgresDatabase(url, config.name)
        case Engine.MYSQL:
            from s3gc_core.databases.mysql import MysqlDatabase

            return MysqlDatabase(url, config.name)
        case Engine.SQLITE:
            from s3gc_core.databases.sqlite import SqliteDatabase

            return SqliteDatabase(url, config.name)


def open_following(config: DatabaseConfig, name: str) -> Following:
    """The way to follow that database for the registry called `name`. Opens no connection yet.

    Raises `ValueError` for SQLite, which has no change stream: its file is looked at instead.
    """
    url = DatabaseUrl.parse(config.url)
    match url.engine:
        case Engine.POSTGRESQL:
            from s3gc_core.databases.postgres_following import PostgresFollowing

            return PostgresFollowing(url, config.name, name, config.cdc_over)
        case Engine.MYSQL:
            from s3gc_core.databases.mysql_following import MysqlFollowing

            return MysqlFollowing(url, config.name, name)
        case Engine.SQLITE:
            raise ValueError("SQLite has no change stream")


def open_followings(configs: Iterable[DatabaseConfig]) -> dict[str, Callable[[str], Following]]:
    """For each database with a change stream that is to be followed: opens the way to do so."""
    return {
        config.name: partial(open_following, config)
        for config in configs
        if config.cdc and config.engine is not Engine.SQLITE
    }


def watch_file(config: DatabaseConfig) -> AbstractAsyncContextManager[FileWatch]:
    """Look at the file of a SQLite database."""
    from s3gc_core.databases.sqlite_watch import watch

    return watch(DatabaseUrl.parse(config.url))
