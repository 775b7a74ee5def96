"""Installs and fills applications, and prints their columns: `python -m tests.applications`.

Then s3gc discovers what it can, and scans with that. Exits with 1 when a database does not say what
its filling told of it, or s3gc does not find what it says.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from s3gc_core.config import Config
from s3gc_core.database_url import Engine
from s3gc_core.references import Finding
from tests.applications import APPLICATIONS, Application, default_cache, filled
from tests.applications.discovering import Discovered, discovered
from tests.applications.discovering import wrong as wrong_discovery
from tests.applications.filled import differences
from tests.applications.searching import Spelled, spelled_columns
from tests.servers.app_database import AppDatabase
from tests.servers.seaweed import running_seaweed
from tests.world import World


async def _show(name: str, engine: Engine | None, cache: Path) -> bool:
    recipe = APPLICATIONS[name]
    started = time.monotonic()
    async with filled(recipe, engine or recipe.engines[0], cache) as application:
        seconds = time.monotonic() - started
        spelled = await spelled_columns(application.database_url, application.files)
        found = await _discovered(application)
    wrong = differences(application, spelled)
    missed = wrong_discovery(application, found)
    if recipe.spelled:
        wrong += missed
    head = f"{name} on {engine or recipe.engines[0]}: {len(application.files)} files"
    sys.stdout.write(f"{head}, {len(application.unreferenced)} unreferenced, {seconds:.0f} s\n")
    sys.stdout.writelines(line + "\n" for line in _table(application, spelled))
    sys.stdout.writelines(f"  {_told(finding)}\n" for finding in found.findings)
    if not recipe.spelled:
        sys.stdout.writelines(f"  as expected: {line}\n" for line in missed)
    sys.stdout.writelines(f"  WRONG: {line}\n" for line in wrong)
    sys.stdout.flush()
    return not wrong


async def _discovered(application: Application) -> Discovered:
    """Discovery and a scan on a bucket of its own."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        async with running_seaweed(folder / "seaweed") as server:
            patch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
            patch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
            await server.create_bucket("files")
            database = AppDatabase(application.database_url)
            vault = folder / "vault"
            vault.mkdir(mode=0o700)
            config = Config(bucket="files", endpoint_url=server.endpoint, vault_path=vault)
            try:
                return await discovered(application, World(config, database))
            finally:
                await database.close()


def _told(finding: Finding) -> str:
    how = " ".join((*finding.templates, *finding.patterns))
    return f"{finding.id}: {finding.codec or 'template'} {how}, {finding.objects} objects"


def _table(application: Application, spelled: Mapping[str, Spelled]) -> list[str]:
    """A line for each column: keys told of (held, computed, mentioned), found, and a sample."""
    told = (application.holds, application.computed, application.mentions)
    lines = [f"  {'column':42} {'held':>5} {'comp.':>5} {'ment.':>5} {'whole':>5} {'base':>5}"]
    for column in sorted({*spelled, *(name for columns in told for name in columns)}):
        found = spelled.get(column, Spelled())
        counts = (
            *(len(columns.get(column, ())) for columns in told),
            *(len(found.whole), len(found.base)),
        )
        numbers = " ".join(f"{count or '-':>5}" for count in counts)
        lines.append(f"  {column:42} {numbers}  {(found.samples or [''])[0]!r}")
    return lines


async def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.applications")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(APPLICATIONS))
    parser.add_argument("--cache", type=Path, default=default_cache(), help="of installed programs")
    parser.add_argument("--engine", type=Engine, choices=list(Engine), help="instead of its own")
    given = parser.parse_args()
    if unknown := set(given.names) - APPLICATIONS.keys():
        parser.error(f"there is no {sorted(unknown)[0]}, but {', '.join(APPLICATIONS)}")
    agreed = [await _show(name, given.engine, given.cache) for name in given.names or APPLICATIONS]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
