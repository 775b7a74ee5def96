"""The application's databases: read-only, consistent, streaming views, one file per engine."""

from __future__ import annotations

from s3gc_core.config import DatabaseConfig
from s3gc_core.database_url import DatabaseUrl, Engine
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
    "Database",
    "DatabaseUrl",
    "Engine",
    "ListedTable",
    "Page",
    "Row",
    "RowId",
    "Snapshot",
    "TableRead",
    "TableShape",
    "TextColumn",
    "Value",
    "open_database",
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
