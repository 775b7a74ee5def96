"""s3gc as a real process: what it printed, how it ended, and what its records say."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from s3gc_core.config import Config

ROOT = Path(__file__).parents[2]
SECONDS = 150.0
# Bytes that JSON lines may hold: printable ASCII and the line end.
TAME_BYTES = frozenset(range(0x20, 0x7F)) | {0x0A}

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ran:
    """How one process ended."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output, which must be UTF-8."""
        return self.stdout.decode()

    @property
    def complaints(self) -> str:
        """Standard error, which must be UTF-8."""
        return self.stderr.decode()

    @property
    def records(self) -> list[Record]:
        """The JSON lines; what holds for every batch command is checked here."""
        assert set(self.stdout) <= TAME_BYTES, self.stdout
        assert self.stdout.endswith(b"\n"), self
        records = [json.loads(line) for line in self.stdout.decode("ascii").splitlines()]
        assert all(isinstance(record, dict) and record["type"] for record in records), records
        assert [r["type"] for r in records].index("summary") == len(records) - 1, records
        assert {"outcome", "operation_id"} <= records[-1].keys(), records[-1]
        return records

    @property
    def summary(self) -> Record:
        """The last line."""
        return self.records[-1]

    def of(self, kind: str) -> list[Record]:
        """The records of one type, in order."""
        return [record for record in self.records if record["type"] == kind]


@dataclass(slots=True)
class CommandLine:
    """Runs s3gc in a folder of its own; `environment` is what it gets beyond ours."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.temporary.mkdir()

    @property
    def temporary(self) -> Path:
        """The TMPDIR of the processes: crash reports are written there."""
        return self.folder / "tmp"

    @property
    def config(self) -> Path:
        """The configuration file that is found without being named."""
        return self.folder / "s3gc.toml"

    def crash_reports(self) -> list[Path]:
        """What unexpected errors left."""
        return sorted(self.temporary.glob("s3gc-crash-*"))

    def variables(self, **more: str) -> dict[str, str]:
        """The environment of a process: ours without what would configure s3gc."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("S3") and name not in ("DATABASE_URL", "PYTHONIOENCODING")
        }
        here = {"PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)}
        return {**kept, **here, **self.environment, **more}

    async def start(
        self, *arguments: str | bytes, days: float | None = None, **environment: str
    ) -> asyncio.subprocess.Process:
        """Start `s3gc ARGUMENTS`; with `days`, that many days have passed for it."""
        program = ["s3gc_tui"] if days is None else ["tests.tui.shifted", str(days)]
        return await self.start_python("-m", *program, *arguments, **environment)

    async def start_python(
        self, *arguments: str | bytes, **environment: str
    ) -> asyncio.subprocess.Process:
        """Start this Python with any arguments, in the same surroundings."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=self.folder,
            env=self.variables(**environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __call__(
        self, *arguments: str | bytes, days: float | None = None, **environment: str
    ) -> Ran:
        """Run `s3gc ARGUMENTS` to its end."""
        return await ended(await self.start(*arguments, days=days, **environment))

    async def batch(
        self, *arguments: str | bytes, days: float | None = None, **environment: str
    ) -> Ran:
        """Run `s3gc --batch ARGUMENTS` to its end."""
        return await self("--batch", *arguments, days=days, **environment)


async def ended(process: asyncio.subprocess.Process) -> Ran:
    """Wait for the end of a process, with a deadline."""
    try:
        async with asyncio.timeout(SECONDS):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ran(process.returncode, stdout, stderr)


def toml(config: Config) -> str:
    """The configuration as a file holds it (as far as these tests use it)."""
    lines = [
        *_settings(
            bucket=config.bucket,
            endpoint_url=config.endpoint_url,
            mode=config.mode.value,
            retention_days=config.retention_days,
            exclude_prefixes=list(config.exclude_prefixes),
            vault_path=str(config.vault_path),
            compression_level=config.compression_level,
            plan_lifetime_hours=config.plan_lifetime_hours,
            images=config.images.value,
            images_acknowledged=config.images_acknowledged,
        ),
        "[guards]",
        *_settings(
            max_share=config.guards.max_share,
            max_objects_per_day=config.guards.max_objects_per_day,
        ),
        *_prefix_budgets(config),
        "[prices]",
        *_settings(**config.prices),
    ]
    for database in config.databases:
        followed = {"cdc": True} if database.cdc else {}
        lines += ["[[database]]", *_settings(url=database.url, name=database.name, **followed)]
    if config.api.tokens:
        lines.append("[api.tokens]")
        for token in config.api.tokens:
            place = {"env": token.env} if token.env else {"file": token.file}
            said = ", ".join(_settings(**place, write=token.write))
            lines.append(f"{token.name} = {{ {said} }}")
    lines.append("[tables]")
    tables: dict[str, list[str]] = {}
    for source in config.sources:
        entry = ", ".join(
            _settings(column=source.columns[0], codec=source.codec.value, database=source.database)
        )
        tables.setdefault(source.table, []).append(f"{{ {entry} }}")
    lines += [f"{json.dumps(table)} = [{', '.join(of)}]" for table, of in tables.items()]
    return "\n".join(lines) + "\n"


def _prefix_budgets(config: Config) -> list[str]:
    lines = []
    for prefix, budget in config.guards.prefixes.items():
        said = {name: limit for name, limit in asdict(budget).items() if limit is not None}
        lines += [f"[guards.prefixes.{json.dumps(prefix)}]", *_settings(**said)]
    return lines


def _settings(**settings: object) -> list[str]:
    # JSON's texts, numbers and lists are TOML's too.
    return [f"{name} = {json.dumps(value)}" for name, value in settings.items()]


def only(records: list[Record], **fields: object) -> Record:
    """The one record that has these fields."""
    found = [record for record in records if _has(record, fields)]
    assert len(found) == 1, (fields, records)
    return found[0]


def _has(record: Mapping[str, object], fields: Mapping[str, object]) -> bool:
    return all(record.get(name) == value for name, value in fields.items())
