"""What s3gc finds out about a filled application, told only where bucket and database are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from s3gc_core.config_edit import by_table
from s3gc_core.parallel import in_parallel
from s3gc_core.references import Finding
from s3gc_tui.commands.discover import new_patterns, sources_of
from tests.applications.application import Application
from tests.world import World

_RETENTION_DAYS = 7


@dataclass(frozen=True, slots=True)
class Discovered:
    """The findings, and what a scan says once all that they suggest is configured."""

    findings: tuple[Finding, ...]
    in_use: Collection[str]
    verdicts: dict[str, str]

    @property
    def columns(self) -> set[str]:
        """The columns found, as an application names them."""
        return {f"{f.table.rpartition('.')[2]}.{f.id.column}" for f in self.findings}

    def of(self, verdict: str) -> set[str]:
        """The candidates with that verdict."""
        return {key for key, said in self.verdicts.items() if said == verdict}


async def discovered(application: Application, world: World) -> Discovered:
    """Upload the application's files, discover, configure what is suggested, and scan."""
    await in_parallel(world.put(key, body) for key, body in application.files.items())
    world.track({})
    async with world.collector() as collector:
        found = (await collector.discover()).ranked
    sources = [source for finding in found for source in sources_of(finding)]
    world.track(
        by_table(sources, "main"),
        url_patterns=new_patterns(found, world.config),
        retention_days=_RETENTION_DAYS,
    )
    world.days(_RETENTION_DAYS + 1)
    await world.scan()
    verdicts = await world.verdicts()
    return Discovered(tuple(found), application.files.keys() - verdicts.keys(), verdicts)


def wrong(application: Application, found: Discovered) -> list[str]:
    """Where what was found is not the truth; empty where it is."""
    told = {"is not found": application.holds.keys() - found.columns}
    told["is found, and holds no key"] = found.columns - {
        *application.holds,
        *application.computed,
        *application.mentions,
    }
    told["is live, and an orphan"] = found.of("orphan") - application.unreferenced
    told["is unreferenced, and no orphan"] = set(application.unreferenced - found.of("orphan"))
    return [f"{name} {what}" for what, names in told.items() for name in sorted(names)]
