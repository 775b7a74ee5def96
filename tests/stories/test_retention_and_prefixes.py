"""Compliance: 90 days of retention, and prefixes that are never touched."""

from __future__ import annotations

from s3gc_core.judgement import Verdict
from tests.stories.staging import picture, rows, upload
from tests.world import World

PROTECTED = {"backups/db.dump", "legal/2019/contract.pdf", "p/keep/forever.gpg"}
# Names that only look protected.
NOT_PROTECTED = {"backup/db.dump", "backups.txt", "p/legal/contract.pdf", "Legal/contract.pdf"}


async def test_ninety_days_and_protected_prefixes(sqlite_world: World) -> None:
    world = sqlite_world
    await upload(world, PROTECTED | NOT_PROTECTED | {"p/used.jpg", "p/released.jpg"})
    await rows(world, "files", ["p/used.jpg", "p/released.jpg"])
    before = await picture(world)
    world.track(
        {"files": ["k"]},
        retention_days=90,
        exclude_prefixes=["backups/", "legal/"],
        exclude_patterns=["*.gpg"],
    )
    await world.scan()

    # Day 30: a row goes. Day 89: nothing is old enough.
    world.days(30)
    await world.app.execute("DELETE FROM files WHERE k = 'p/released.jpg'")
    await world.scan()
    world.days(59)
    summary = await world.scan()
    assert (summary.plan_id, summary.orphans, summary.blocked) == (None, 0, [])
    candidates = PROTECTED | NOT_PROTECTED | {"p/released.jpg"}
    assert await world.verdicts() == dict.fromkeys(candidates, "keep")

    # Day 91: what is not protected may go; what was released on day 30 has to wait.
    world.days(2)
    executed = await world.collect()
    judged = await world.judged()
    assert {key for key, of in judged.items() if of.layers.exclusion.verdict is Verdict.KEEP} == (
        PROTECTED
    )
    assert {key: judged[key].reason for key in PROTECTED} == {
        "backups/db.dump": "protected by the prefix backups/",
        "legal/2019/contract.pdf": "protected by the prefix legal/",
        "p/keep/forever.gpg": "protected by the pattern *.gpg",
    }
    assert await world.outcomes(executed.operation_id) == dict.fromkeys(NOT_PROTECTED, "deleted")

    # Day 119, 89 days after its last reference went away; then day 121.
    world.days(28)
    assert (await world.scan()).orphans == 0
    world.days(2)
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == {"p/released.jpg": "deleted"}
    left = PROTECTED | {"p/used.jpg"}
    assert await picture(world) == {key: before[key] for key in left}
