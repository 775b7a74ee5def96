"""The ground for the fault tests: a bucket, a database and a vault that outlive every process."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyrage

from s3gc_core.config import Config
from tests.faults.children import Children, Ended
from tests.faults.oracle import PROBES, Oracle, Seen, identity_of
from tests.faults.store import Store, Stored

BATCH_OBJECTS = 3
ORPHANS = 29
# Objects with the bytes of another, in packs and too large for one.
TWINS = {15: 3, 18: 0}


def make_objects() -> tuple[dict[str, Stored], frozenset[str], frozenset[str]]:
    """Objects of all kinds; those nothing refers to; and those under a protected prefix."""
    chance = random.Random(20260817)
    objects: dict[str, Stored] = {}
    kept: list[bytes] = []
    for n in range(ORPHANS):
        bodies = (
            # Some too large for a pack.
            chance.randbytes(3_000 + 97 * n if n % 9 else 140_000 + n),
            f"line {n} of a log file that squeezes well\n".encode() * (20 + n),
            b"" if n < 6 else chance.randbytes(n),
        )
        kept.append(bodies[n % 3])
        objects[f"orphans/{n % 5}/größe {n} & more+{n}.bin"] = Stored(
            kept[TWINS.get(n, n)],
            {
                "ContentType": "image/jpeg" if n % 2 else "text/plain; charset=utf-8",
                **({"CacheControl": f"max-age={n}"} if n % 4 == 0 else {}),
                **({"ContentDisposition": f'attachment; filename="{n}.jpg"'} if n % 5 == 0 else {}),
                **({"ContentLanguage": "en"} if n % 7 == 0 else {}),
            },
            {"owner": str(n)} if n % 3 == 0 else {},
            {"kind": "photo", "number": str(n)} if n % 4 == 1 else {},
        )
    objects["orphans/large.bin"] = Stored(chance.randbytes(1_500_000), {"ContentType": "video/mp4"})
    orphans = frozenset(objects)
    plain = {"ContentType": "application/octet-stream"}
    used = {f"used/{n}.bin": Stored(chance.randbytes(500), plain) for n in range(6)}
    protected = {f"backups/{n}.bin": Stored(chance.randbytes(500), plain) for n in range(2)}
    return objects | used | protected, orphans, frozenset(protected)


@dataclass(slots=True)
class Ground:
    """One world with its oracle, and the children that work on it."""

    config: Path
    vault: Path
    bucket: str
    store: Store
    objects: dict[str, Stored]
    orphans: frozenset[str]
    oracle: Oracle
    children: Children
    since: int = 0
    plan_id: str = ""

    def store_once(self, on: bool) -> None:
        """Whether the next processes store equal bytes once: on, a second round writes nothing."""
        said = self.config.read_text()
        before, after = (f"deduplicate = {str(value).lower()}" for value in (not on, on))
        self.config.write_text(said.replace(before, after))

    def encrypt(self) -> None:
        """Let the next processes encrypt backups, for a key that only restores and we have."""
        key = identity_of(self.vault)
        identity = pyrage.x25519.Identity.generate()
        key.write_text(f"{identity}\n")
        key.chmod(0o600)
        said = self.config.read_text()
        added = (
            f'encryption = "age"\nencryption_recipients = ["{identity.to_public()}"]\n'
            f'encryption_identity_file = "{key}"\n'
        )
        self.config.write_text(said.replace("\n[database]", f"{added}\n[database]"))

    async def begin_round(self) -> None:
        """Scan and approve, in processes that nobody kills. All objects must be in the bucket."""
        await asyncio.to_thread(self._remove_probes)
        self.since = await asyncio.to_thread(self.oracle.head)
        self.plan_id = self.plan_of(await self.children.run("scan"))
        approved = await self.children.run("plan", "approve", self.plan_id, "--reason", "a test")
        assert approved.returncode == 0, approved.diagnostics

    def plan_of(self, scanned: Ended) -> str:
        """The plan of a scan that found exactly the orphans."""
        assert scanned.returncode == 0, (scanned.lines, scanned.diagnostics)
        assert scanned.summary["listed"] == len(self.objects), scanned.summary
        assert scanned.summary["orphans"] == len(self.orphans), scanned.summary
        return cast(str, scanned.summary["plan_id"])

    @property
    def execution(self) -> tuple[str, ...]:
        """The command line that executes the plan of this round, or goes on with it."""
        confirm = f"{self.bucket} {len(self.orphans)}"
        return ("execute", "--plan", self.plan_id, "--confirm", confirm)

    @property
    def restoring(self) -> tuple[str, ...]:
        """The command line that restores everything."""
        return ("restore", "--prefix", "")

    async def after_kill(self) -> Seen:
        """The witness looks at what a killed process left."""
        return await asyncio.to_thread(self.oracle.nothing_is_lost, self.since)

    async def finish_execution(self) -> float:
        """Run the plan to its end, or see that it has ended; what is then true. Returns seconds."""
        ended = await self.children.run(*self.execution)
        self.check_executed(ended)
        await asyncio.to_thread(self.oracle.everything_is_settled)
        await asyncio.to_thread(self.oracle.the_plan_was_executed, self.plan_id)
        await self.after_kill()
        return ended.seconds

    def check_executed(self, ended: Ended) -> None:
        """Done; or the process that did it died between its last record and its exit."""
        if ended.returncode == 3:
            assert ended.summary["error"] == "plan-finished", ended.diagnostics
        else:
            assert ended.returncode == 0, (ended.lines, ended.diagnostics)

    async def finish_restore(self) -> float:
        """Restore everything; what is then true. Returns seconds."""
        ended = await self.children.run(*self.restoring)
        assert ended.returncode == 0, (ended.lines, ended.diagnostics)
        await asyncio.to_thread(self.oracle.everything_is_settled)
        await asyncio.to_thread(self.oracle.everything_is_back)
        return ended.seconds

    async def end_round(self) -> None:
        """Finish the plan, bring everything back, and look at it."""
        await self.finish_execution()
        await self.finish_restore()

    def _remove_probes(self) -> None:
        for key in self.store.listed():
            if key.startswith(PROBES):
                self.store.remove(key)


def write_config(config: Config, folder: Path, protected: str = "backups/") -> Path:
    """A configuration file as an operator writes it, and the application's database."""
    database = folder / "app.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
    path = folder / "s3gc.toml"
    path.write_text(
        f"""
bucket = "{config.bucket}"
endpoint_url = "{config.endpoint_url}"
mode = "execute"
vault_path = "{config.vault_path}"
exclude_prefixes = ["{protected}"]
compression_level = 3
deduplicate = false

[database]
url = "sqlite:///{database}"

[tables]
files = ["path"]

[guards]
max_share = 1.0
"""
    )
    return path


def refer_to(folder: Path, keys: frozenset[str]) -> None:
    """Let a row of the application refer to each of these keys."""
    with closing(sqlite3.connect(folder / "app.db")) as connection, connection:
        connection.executemany("INSERT INTO files (path) VALUES (?)", [(k,) for k in sorted(keys)])
