"""The application whose writes are followed: its tables, and the statements it writes with.

Keys come from a small pool, so that rows share them, lose them and get them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from s3gc_core.database_url import DatabaseUrl, Engine
from tests.servers.app_database import AppDatabase

KEYS = 400
# What is this wide, PostgreSQL keeps beside the row, and does not tell where it does not change.
WIDE = "x" * 9_000
# The rows of bulk transactions begin here, and those that rows move through are negative.
BULK_FROM = 1_000_000

TRACKED: dict[str, object] = {
    "photos": ["path", {"column": "original", "codec": "json", "path": "$.key"}],
    "pages": ["cover"],
    "links": ["path"],
    "files": [{"column": "path", "where": "deleted_at IS NULL"}],
    "posts": [{"column": "body", "codec": "text"}],
}

_CREATE = (
    "CREATE TABLE photos (id bigint PRIMARY KEY, path varchar(200), original {wide}, views int)",
    "CREATE TABLE pages (slug {text_key} PRIMARY KEY, cover varchar(200), title varchar(50))",
    "CREATE TABLE links (post int, place int, path varchar(200), PRIMARY KEY (post, place))",
    "CREATE TABLE files (id int PRIMARY KEY, path varchar(200), deleted_at timestamp NULL)",
    "CREATE TABLE posts (id int PRIMARY KEY, body {wide}, title varchar(50))",
)
_KEY = {"photos": "id", "pages": "slug", "links": "post, place", "files": "id", "posts": "id"}
_COLUMNS = {
    "photos": "path original views",
    "pages": "cover title",
    "links": "path",
    "files": "path deleted_at",
    "posts": "body title",
}


class Statement(NamedTuple):
    """One statement with `?` for its values."""

    sql: str
    values: tuple[object, ...] = ()


Write = Callable[[Random, int, int], Iterator[Statement]]


async def make_tables(app: AppDatabase) -> None:
    """All tables, empty."""
    await without_jit(app)
    is_mysql = app.engine is Engine.MYSQL
    types = {
        "wide": "longtext" if is_mysql else "text",
        "text_key": "varchar(100) COLLATE utf8mb4_bin" if is_mysql else "varchar(100)",
    }
    for create in _CREATE:
        await app.execute(create.format(**types))
    if app.engine is Engine.POSTGRESQL:
        await app.execute("ALTER TABLE photos ALTER COLUMN original SET STORAGE EXTERNAL")


async def without_jit(app: AppDatabase) -> None:
    """PostgreSQL compiles queries of its catalogue for longer than it runs them: seconds a scan."""
    if app.engine is Engine.POSTGRESQL:
        name = DatabaseUrl.parse(app.url).database
        await app.execute(f"ALTER DATABASE {name} SET jit = off")


class Statements:
    """What the application may do with two of its rows, each a piece of a transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def writes(self) -> list[tuple[Write, int]]:
        """Each with its weight."""
        return [
            (self.put_photo, 10),
            (self.change_photo, 20),
            (self.move_photo, 10),
            (self.rotate_photos, 4),
            (self.hand_over, 6),
            (self.write_page, 12),
            (self.write_link, 12),
            (self.write_file, 16),
            (self.write_post, 8),
            (self.delete, 8),
        ]

    def put(self, table: str, *values: object) -> Statement:
        """A whole row, whether there is one of this key or not."""
        columns = _COLUMNS[table].split()
        names = ", ".join((_KEY[table], *columns))
        marks = ", ".join("?" for _ in values)
        if self._engine is Engine.MYSQL:
            return Statement(f"REPLACE INTO {table} ({names}) VALUES ({marks})", values)
        update = ", ".join(f"{column} = excluded.{column}" for column in columns)
        return Statement(
            f"INSERT INTO {table} ({names}) VALUES ({marks})"
            f" ON CONFLICT ({_KEY[table]}) DO UPDATE SET {update}",
            values,
        )

    def put_photo(self, chance: Random, row: int, _: int) -> Iterator[Statement]:
        """One that is wide, or that is not."""
        original = _wide(chance) if chance.random() < 0.5 else None
        yield self.put("photos", row, _key(chance), original, 0)

    def change_photo(self, chance: Random, row: int, _: int) -> Iterator[Statement]:
        """Any of its columns, mostly without the wide one."""
        what = chance.randrange(6)
        if what <= 1:
            yield Statement("UPDATE photos SET path = ? WHERE id = ?", (_key(chance), row))
        elif what <= 3:
            yield Statement("UPDATE photos SET views = views + 1 WHERE id = ?", (row,))
        elif what == 4:
            yield Statement("UPDATE photos SET original = ? WHERE id = ?", (_wide(chance), row))
        else:
            yield Statement(
                "UPDATE photos SET path = ?, original = NULL WHERE id = ?", (_key(chance), row)
            )

    def move_photo(self, chance: Random, row: int, other: int) -> Iterator[Statement]:
        """To another identity, which mostly was taken; the wide value stays what it was."""
        yield Statement("DELETE FROM photos WHERE id = ?", (other,))
        if chance.random() < 0.5:
            yield Statement("UPDATE photos SET id = ? WHERE id = ?", (other, row))
        else:
            yield Statement(
                "UPDATE photos SET id = ?, path = ? WHERE id = ?", (other, _key(chance), row)
            )
        if chance.random() < 0.3:
            yield self.put("photos", row, _key(chance), None, 0)

    def rotate_photos(self, chance: Random, row: int, other: int) -> Iterator[Statement]:
        """Two rows change places."""
        aside = -1 - row
        yield Statement("UPDATE photos SET id = ? WHERE id = ?", (aside, row))
        yield Statement("UPDATE photos SET id = ? WHERE id = ?", (row, other))
        if chance.random() < 0.5:
            yield Statement("UPDATE photos SET path = ? WHERE id = ?", (_key(chance), aside))
        yield Statement("UPDATE photos SET id = ? WHERE id = ?", (other, aside))

    def hand_over(self, chance: Random, row: int, other: int) -> Iterator[Statement]:
        """A key goes from one row to another, and from one table to another."""
        key = _key(chance)
        yield Statement("UPDATE photos SET path = ? WHERE id = ?", (key, row))
        yield self.put("files", other, key, None)
        yield Statement("UPDATE photos SET path = NULL WHERE id = ?", (row,))

    def write_page(self, chance: Random, row: int, other: int) -> Iterator[Statement]:
        """Of a key that is text, with more in it than letters."""
        slug, target = f"a page's “{row}”", f"a page's “{other}”"
        what = chance.randrange(4)
        if what == 0:
            yield Statement("UPDATE pages SET title = ? WHERE slug = ?", (f"{row}", slug))
        elif what == 1:
            yield Statement("DELETE FROM pages WHERE slug = ?", (target,))
            yield Statement("UPDATE pages SET slug = ? WHERE slug = ?", (target, slug))
        else:
            yield self.put("pages", slug, _key(chance), "")

    def write_link(self, chance: Random, row: int, other: int) -> Iterator[Statement]:
        """Of a key of two columns; rarely all of them go at once."""
        post, place = row, chance.randrange(3)
        what = chance.randrange(200)
        if what == 0:
            sqlite = self._engine is Engine.SQLITE
            yield Statement("DELETE FROM links" if sqlite else "TRUNCATE TABLE links")
        elif what < 60:
            yield Statement("DELETE FROM links WHERE post = ? AND place = ?", (post, place))
        elif what < 100:
            yield Statement("DELETE FROM links WHERE post = ?", (other,))
            yield Statement("UPDATE links SET post = ? WHERE post = ?", (other, post))
        else:
            yield self.put("links", post, place, _key(chance))

    def write_file(self, chance: Random, row: int, other: int) -> Iterator[Statement]:
        """Marked as deleted, and brought back; its key changes while nobody counts it."""
        what = chance.randrange(6)
        if what == 0:
            yield Statement(
                "UPDATE files SET deleted_at = '2026-01-01 00:00:00' WHERE id = ?", (row,)
            )
        elif what == 1:
            yield Statement("UPDATE files SET deleted_at = NULL WHERE id = ?", (row,))
        elif what == 2:
            yield Statement("UPDATE files SET path = ? WHERE id = ?", (_key(chance), row))
        elif what == 3:
            yield Statement("DELETE FROM files WHERE id = ?", (other,))
            yield Statement("UPDATE files SET id = ? WHERE id = ?", (other, row))
        else:
            yield self.put("files", row, _key(chance), None)

    def write_post(self, chance: Random, row: int, _: int) -> Iterator[Statement]:
        """Free text with some keys in it, at times wide."""
        if chance.random() < 0.3:
            yield Statement("UPDATE posts SET title = ? WHERE id = ?", (f"{row}", row))
            return
        images = " and ".join(f'<img src="{_key(chance)}">' for _ in range(chance.randrange(4)))
        wide = WIDE if chance.random() < 0.2 else ""
        yield self.put("posts", row, f"see {images}. {wide}", "")

    def delete(self, chance: Random, row: int, _: int) -> Iterator[Statement]:
        """A row of some table."""
        table = chance.choice(("photos", "files", "posts"))
        yield Statement(f"DELETE FROM {table} WHERE id = ?", (row,))


def bulk(engine: Engine, step: int, rows: int) -> Statement:
    """One statement over so many rows: they come, change, move, and go, by `step`."""
    match step % 4:
        case 0:
            path = _joined(engine, "'bulk/'", "n")
            return Statement(
                "INSERT INTO photos (id, path, original, views)"
                f" SELECT n, {path}, NULL, 0 FROM {_numbers(engine, rows)}"
            )
        case 1:
            path = _joined(engine, "'moved/'", "path")
            return Statement(f"UPDATE photos SET path = {path} WHERE id >= {BULK_FROM}")
        case 2:
            return Statement(f"UPDATE photos SET id = id + {rows} WHERE id >= {BULK_FROM}")
        case _:
            return Statement(f"DELETE FROM photos WHERE id >= {BULK_FROM}")


def _joined(engine: Engine, first: str, second: str) -> str:
    return f"{first} || {second}" if engine is Engine.SQLITE else f"concat({first}, {second})"


def _numbers(engine: Engine, rows: int) -> str:
    """A table of one column `n`: the identities of bulk rows."""
    first, last = BULK_FROM, BULK_FROM + rows - 1
    match engine:
        case Engine.POSTGRESQL:
            return f"generate_series({first}, {last}) AS numbers (n)"
        case Engine.MYSQL:
            return f"(SELECT seq AS n FROM seq_{first}_to_{last}) AS numbers"
        case Engine.SQLITE:
            return (
                f"(WITH RECURSIVE counted (n) AS (SELECT {first} UNION ALL"
                f" SELECT n + 1 FROM counted WHERE n < {last}) SELECT n FROM counted)"
            )


def _key(chance: Random) -> str:
    return f"media/{chance.randrange(KEYS):04}.jpg"


def _wide(chance: Random) -> str:
    return f'{{"key": "{_key(chance)}", "pad": "{WIDE}"}}'
