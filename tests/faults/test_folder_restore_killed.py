"""kill -9 during a restore into a folder: the next one goes on, and the folder is whole."""

from __future__ import annotations

import json
from pathlib import Path

from s3gc_core.collection.below import PART
from s3gc_core.collection.folder import INDEX
from tests.faults.ground import Ground

NAMED = (
    "folder-publish:before:3",
    "folder-index:before:12",
)


async def test_killed_during_restore_into_a_folder(ground: Ground, tmp_path: Path) -> None:
    target = tmp_path / "out"
    await ground.begin_round()
    await ground.finish_execution()
    restoring = (*ground.restoring, "--to", str(target))
    left: list[int] = []
    for fault in NAMED:
        ended = await ground.children.run(*restoring, fault=fault)
        assert ended.killed, f"did not fire: {fault}"
        assert list(target.rglob(f"{PART}*")) or "publish" not in fault
        whole = {path: path.read_bytes() for path in files(target)}
        # Whatever has a name is whole.
        assert set(whole.values()) <= {ground.objects[key].body for key in ground.orphans}
        left.append(len(whole))
    assert left == sorted(left)
    assert left[0] < len(ground.orphans)
    assert left[-1] > 0

    ended = await ground.children.run(*restoring)
    assert ended.returncode == 0, (ended.lines, ended.diagnostics)
    counts = {name: ended.summary.get(name, 0) for name in ("already-there", "exported")}
    assert counts == {"already-there": left[-1], "exported": len(ground.orphans) - left[-1]}
    lines = [json.loads(line) for line in (target / INDEX).read_bytes().splitlines()]
    assert sorted(line["key"] for line in lines) == sorted(ground.orphans)
    assert {str(path.relative_to(target)) for path in files(target)} == {
        line["file"] for line in lines
    }
    for line in lines:
        assert (target / line["file"]).read_bytes() == ground.objects[line["key"]].body
    assert list(target.rglob(f"{PART}*")) == []
    await ground.after_kill()


def files(target: Path) -> list[Path]:
    """The files that have their names."""
    return [
        path
        for path in target.rglob("*")
        if path.is_file() and path.name != INDEX and not path.name.startswith(PART)
    ]
