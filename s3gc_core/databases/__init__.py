"""The application's databases: read-only, consistent, streaming views, one file per engine."""

from __future__ import annotations

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
    Following,
    Lag,
    LeftBehind,
    Obstacle,
    Start,
    Watched,
)
from s3gc_core.databases.protocol import (
    Database,
    ListedTable,
    Page,
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
    "Following",
    "Lag",
    "LeftBehind",
    "ListedTable",
    "Obstacle",
    "Page",
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


def open_following(config: DatabaseConfig, name: str) -> Following | None:
    """The way to follow that database for the registry called `name`; None for SQLite.

    Opens no connection yet. SQLite has no change stream: its file is looked at instead.
    """
    url = DatabaseUrl.parse(config.url)
    match url.engine:
        case Engine.POSTGRESQL:
            from s3gc_core.databases.postgres_following import PostgresFollowing

            return PostgresFollowing(url, config.name, name)
        case Engine.MYSQL:
            from s3gc_core.databases.mysql_following import MysqlFollowing

            return MysqlFollowing(url, config.name, name)
        case Engine.SQLITE:
            return None
