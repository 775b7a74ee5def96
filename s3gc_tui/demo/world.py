"""The demo's world: a photo and blog application with its database and its bucket.

Rows were deleted while their files stayed, so orphans exist; some files are too young, some lie
under a protected prefix, and one post refers to its picture only inside its text.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiosqlite

from s3gc_core.bucket import Bucket, ObjectHeaders
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from s3gc_core.config_file import load_config
from s3gc_core.parallel import in_parallel
from s3gc_tui.demo import pictures
from s3gc_tui.demo.seaweed import SeaweedServer

BUCKET = "photos"
CDN = "https://cdn.photo-app.example/"
RETENTION = timedelta(days=7)
USERS, POSTS, DOCUMENTS = 60, 60, 40

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, avatar_url TEXT, cover_photo TEXT);
CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER, title TEXT, body TEXT);
CREATE TABLE post_images (post_id INTEGER, position INTEGER, image_key TEXT,
                          PRIMARY KEY (post_id, position));
CREATE TABLE documents (id INTEGER PRIMARY KEY, user_id INTEGER, files TEXT);
"""
CONFIGURATION = f"""bucket = "{BUCKET}"
endpoint_url = "{{endpoint}}"
mode = "execute"
retention_days = {RETENTION.days}
exclude_prefixes = ["backups/"]
cdn_bases = ["{CDN}"]
vault_path = "vault"

[database]
url = "sqlite:///{{database}}"

[tables]
users = ["avatar_url", "cover_photo"]
posts = [{{{{ column = "body", codec = "text" }}}}]
post_images = ["image_key"]
documents = [{{{{ column = "files", codec = "json" }}}}]
"""


@dataclass(frozen=True, slots=True)
class File:
    """One object of the world as it was uploaded."""

    key: str
    body: bytes
    headers: ObjectHeaders


@dataclass(slots=True)
class World:
    """The running world. `orphans` is what a right scan must find, exactly."""

    folder: Path
    config_path: Path
    config: Config
    clock: DemoClock
    files: dict[str, File]
    orphans: frozenset[str]
    young: frozenset[str]
    protected: frozenset[str] = field(default_factory=frozenset)


class DemoClock:
    """The retention time has passed for us; the store's calendar stands just past that of the
    first uploads, so that the last ones stay too young however long the demo is looked at.
    """

    def __init__(self, first_uploads_ended: datetime) -> None:
        self.first_uploads_ended = first_uploads_ended
        self._bucket_now = first_uploads_ended + RETENTION

    def now(self) -> datetime:
        """The machine's time, as far on as the store's calendar."""
        return datetime.now(UTC) + RETENTION

    def bucket_now(self, server_date: datetime) -> datetime:
        """The store's standing calendar; its real date only has to come."""
        return max(self._bucket_now, server_date)


@asynccontextmanager
async def small_world() -> AsyncIterator[World]:
    """Start everything in a temporary folder; stopped and removed at the end, however it ends."""
    with tempfile.TemporaryDirectory(prefix="s3gc-demo-") as name:
        folder = Path(name)
        async with SeaweedServer(folder / "seaweed", bucket=BUCKET) as server:
            credentials = {
                "AWS_ACCESS_KEY_ID": server.access_key,
                "AWS_SECRET_ACCESS_KEY": server.secret_key,
            }
            before = {variable: os.environ.get(variable) for variable in credentials}
            os.environ.update(credentials)
            try:
                yield await _furnish(folder, server.endpoint)
            finally:
                for variable, value in before.items():
                    if value is None:
                        os.environ.pop(variable, None)
                    else:
                        os.environ[variable] = value


async def _furnish(folder: Path, endpoint: str) -> World:
    database = folder / "photo_app.db"
    config_path = folder / "s3gc.toml"
    config_path.write_text(CONFIGURATION.format(endpoint=endpoint, database=database))
    # The environment belongs to the operator's own configuration, not to the demo's.
    config = load_config(config_path, {})
    old, young = _old_files(), _young_files()
    await _fill_database(database)
    async with Bucket.open(config, SystemClock()) as bucket:
        await _upload(bucket, old)
        boundary = await _next_second(bucket)
        await _upload(bucket, young)
    files = {file.key: file for file in [*old, *young]}
    async with aiosqlite.connect(database) as connection:
        gone = await _delete_rows(connection)
    return World(
        folder=folder,
        config_path=config_path,
        config=config,
        clock=DemoClock(boundary),
        files=files,
        orphans=frozenset(gone),
        young=frozenset(file.key for file in young),
        protected=frozenset(key for key in files if key.startswith("backups/")),
    )


def _old_files() -> list[File]:
    files = []
    for n in range(1, USERS + 1):
        avatar = ObjectHeaders(
            content_type="image/jpeg",
            cache_control="public, max-age=86400",
            metadata={"owner": str(n), "camera": "demo"},
            tags={"kind": "avatar", "user": str(n)},
        )
        files.append(File(f"avatars/{n}.jpg", pictures.jpeg(n), avatar))
        if n % 2 == 0:
            cover = ObjectHeaders(content_type="image/png", content_disposition="inline")
            files.append(File(f"covers/user {n}.png", pictures.png(n), cover))
    for n in range(1, POSTS + 1):
        jpeg = ObjectHeaders(content_type="image/jpeg", metadata={"post": str(n)})
        files.append(File(f"posts/{n}/inline.jpg", pictures.jpeg(1000 + n), jpeg))
        for position in (1, 2):
            png = ObjectHeaders(content_type="image/png", tags={"post": str(n)})
            files.append(
                File(f"posts/{n}/image-{position}.png", pictures.png(n * 10 + position), png)
            )
    for n in range(1, DOCUMENTS + 1):
        pdf = ObjectHeaders(
            content_type="application/pdf",
            content_language="en",
            content_disposition=f'attachment; filename="report-{n}.pdf"',
        )
        files.append(File(f"documents/{n}/report.pdf", pictures.pdf(f"Report {n}"), pdf))
        settings = ObjectHeaders(
            content_type="application/json", expires="Thu, 31 Dec 2026 23:59:59 GMT"
        )
        files.append(File(f"documents/{n}/settings.json", pictures.settings_json(n), settings))
    for n in range(1, 11):
        text = ObjectHeaders(content_type="text/plain; charset=utf-8")
        files.append(File(f"backups/2026-{n:02}.txt", pictures.note(n), text))
    return files


def _young_files() -> list[File]:
    headers = ObjectHeaders(content_type="image/jpeg")
    return [File(f"uploads/new-{n}.jpg", pictures.jpeg(5000 + n), headers) for n in range(1, 9)]


async def _fill_database(path: Path) -> None:
    async with aiosqlite.connect(path) as database:
        await database.executescript(SCHEMA)
        await database.executemany(
            "INSERT INTO users VALUES (?, ?, ?, ?)",
            [
                (
                    n,
                    f"user {n}",
                    f"{CDN}avatars/{n}.jpg?size=large",
                    f"covers/user {n}.png" if n % 2 == 0 else None,
                )
                for n in range(1, USERS + 1)
            ],
        )
        await database.executemany(
            "INSERT INTO posts VALUES (?, ?, ?, ?)",
            [
                (n, n, f"Post {n}", f'<p>Look: <img src="{CDN}posts/{n}/inline.jpg"> nice.</p>')
                for n in range(1, POSTS + 1)
            ],
        )
        await database.executemany(
            "INSERT INTO post_images VALUES (?, ?, ?)",
            [(n, p, f"posts/{n}/image-{p}.png") for n in range(1, POSTS + 1) for p in (1, 2)],
        )
        await database.executemany(
            "INSERT INTO documents VALUES (?, ?, ?)",
            [
                (
                    n,
                    n,
                    json.dumps(
                        {
                            "main": f"documents/{n}/report.pdf",
                            "all": [f"/documents/{n}/settings.json"],
                        }
                    ),
                )
                for n in range(1, DOCUMENTS + 1)
            ],
        )
        await database.commit()


async def _delete_rows(database: aiosqlite.Connection) -> set[str]:
    """The application forgets users, posts and documents; returns the keys nothing refers to."""
    gone: set[str] = set()
    for n in range(5, USERS + 1, 5):
        await database.execute("DELETE FROM users WHERE id = ?", (n,))
        gone |= {f"avatars/{n}.jpg"} | ({f"covers/user {n}.png"} if n % 2 == 0 else set())
    for n in range(6, POSTS + 1, 6):
        await database.execute("DELETE FROM posts WHERE id = ?", (n,))
        await database.execute("DELETE FROM post_images WHERE post_id = ?", (n,))
        gone |= {f"posts/{n}/{name}" for name in ("inline.jpg", "image-1.png", "image-2.png")}
    for n in range(8, DOCUMENTS + 1, 8):
        await database.execute("DELETE FROM documents WHERE id = ?", (n,))
        gone |= {f"documents/{n}/report.pdf", f"documents/{n}/settings.json"}
    await database.commit()
    return gone


async def _upload(bucket: Bucket, files: list[File]) -> None:
    at_once = asyncio.Semaphore(16)

    async def one(file: File) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield file.body

        async with at_once:
            await bucket.put(file.key, body(), len(file.body), file.headers)

    await in_parallel(one(file) for file in files)


async def _next_second(bucket: Bucket) -> datetime:
    """Wait until the store's clock (whole seconds) has left the second of the last upload."""
    last = await bucket.server_now()
    while True:
        now = await bucket.server_now()
        if now > last + timedelta(seconds=1):
            # Every first upload lies before this, every later one after it.
            return now - timedelta(seconds=1)
        await asyncio.sleep(0.1)
