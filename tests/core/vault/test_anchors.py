"""Anchors: the log must extend the last one; only a line that a crash cut short is forgiven."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from s3gc_core.errors import AuditBroken
from s3gc_core.vault import AuditLog, Outcome, Result
from s3gc_core.vault.anchors import Anchor, add_anchor, read_anchors
from tests.core.vault.builders import NOON, OPERATION, SteppingClock
from tests.core.vault.fresh import run_fresh, strace_with


@pytest.fixture
async def anchored(vault: Path) -> Path:
    """A vault of four records with an anchor after each second one."""
    log = await AuditLog.open(vault, SteppingClock())
    for n in range(4):
        await log.append(OPERATION, [Result(f"k{n}", Outcome.KEPT)])
        if n % 2:
            await log.anchor()
    await log.close()
    return vault


def lines_of(vault: Path) -> list[bytes]:
    return (vault / "anchors.jsonl").read_bytes().splitlines(keepends=True)


def put(vault: Path, *lines: bytes) -> None:
    (vault / "anchors.jsonl").write_bytes(b"".join(lines))


async def opened_and_verified(vault: Path) -> int:
    log = await AuditLog.open(vault, SteppingClock())
    try:
        return await log.verify()
    finally:
        await log.close()


async def test_an_anchor_names_the_head(log: AuditLog, vault: Path) -> None:
    await log.anchor()
    assert not (vault / "anchors.jsonl").exists()
    await log.append(OPERATION, [Result("k", Outcome.KEPT)])
    await log.anchor()
    seq, head = await log.head()
    [line] = lines_of(vault)
    assert json.loads(line) == {"seq": 1, "hash": head.hex(), "at": "2026-03-01T12:00:01Z"}
    assert seq == 1
    assert (vault / "anchors.jsonl").stat().st_mode & 0o777 == 0o600


async def test_good_anchors_pass(anchored: Path) -> None:
    assert [anchor.seq for anchor in read_anchors(anchored)] == [2, 4]
    assert await opened_and_verified(anchored) == 4


@pytest.mark.parametrize("field", ["hash", "seq"])
async def test_an_edited_last_anchor_is_found_at_once(anchored: Path, field: str) -> None:
    first, last = lines_of(anchored)
    values = json.loads(last)
    values[field] = {"hash": "0" * 64, "seq": 5}[field]
    put(anchored, first, json.dumps(values).encode() + b"\n")
    with pytest.raises(AuditBroken, match=r"record [45] is"):
        await AuditLog.open(anchored, SteppingClock())


async def test_an_edited_earlier_anchor_is_found_by_verify(anchored: Path) -> None:
    first, last = lines_of(anchored)
    put(anchored, first.replace(b'"seq":2', b'"seq":3'), last)
    log = await AuditLog.open(anchored, SteppingClock())
    with pytest.raises(AuditBroken, match="record 3 is not the one"):
        await log.verify()
    await log.close()


async def test_two_words_about_one_record_are_not_both_true(anchored: Path) -> None:
    forged = json.dumps({"seq": 4, "hash": "0" * 64, "at": "2026-03-01T12:00:01Z"}).encode()
    put(anchored, *lines_of(anchored), forged, b"\n")
    with pytest.raises(AuditBroken, match="record 4 is not the one"):
        await AuditLog.open(anchored, SteppingClock())


async def test_the_highest_anchor_counts_wherever_it_stands(anchored: Path) -> None:
    """Two processes may anchor at once, so lines need not be in order."""
    first, last = lines_of(anchored)
    put(anchored, last, first)
    assert await opened_and_verified(anchored) == 4
    put(anchored, last.replace(b'"seq":4', b'"seq":9'), first)
    with pytest.raises(AuditBroken, match="record 9 is missing"):
        await AuditLog.open(anchored, SteppingClock())


async def test_a_line_that_a_crash_cut_short_is_forgiven_anywhere(anchored: Path) -> None:
    first, last = lines_of(anchored)
    for length in range(len(last) - 1):
        put(anchored, first, last[:length])
        assert [anchor.seq for anchor in read_anchors(anchored)] == [2]
    put(anchored, first, last[:-1])  # only the newline is missing: a whole anchor
    assert [anchor.seq for anchor in read_anchors(anchored)] == [2, 4]
    put(anchored, last[:20])
    assert read_anchors(anchored) == []
    put(anchored, first, b"\0" * 50)
    assert [anchor.seq for anchor in read_anchors(anchored)] == [2]


@pytest.mark.parametrize("bad", [b"x", b"{}", b"", b'{"seq":1}', b"\xff", b"null"])
async def test_any_other_odd_line_is_not(anchored: Path, bad: bytes) -> None:
    first, last = lines_of(anchored)
    for lines in ([first, bad + b"\n", last], [first, last, bad + b"\n"], [bad + b"\n"]):
        put(anchored, *lines)
        with pytest.raises(AuditBroken, match="no anchor"):
            await AuditLog.open(anchored, SteppingClock())
    if bad in (b"{}", b'{"seq":1}', b"null"):
        put(anchored, first, bad)  # complete JSON was not cut short
        with pytest.raises(AuditBroken, match="no anchor"):
            await AuditLog.open(anchored, SteppingClock())


async def test_after_a_line_cut_short_the_next_anchor_stands_alone(anchored: Path) -> None:
    first, last = lines_of(anchored)
    anchor = Anchor(4, json.loads(last)["hash"], NOON)
    for rest, before in ((last[:30], [2]), (last[:-1], [2, 4]), (b"\0\0", [2]), (b"", [2])):
        put(anchored, first, rest)
        add_anchor(anchored, anchor)
        assert [each.seq for each in read_anchors(anchored)] == [*before, 4]
        assert await opened_and_verified(anchored) == 4


async def test_an_anchor_is_on_disk_when_it_is_told(vault: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    run_fresh(
        """
        log = await AuditLog.open(vault, SteppingClock())
        await log.append(OPERATION, [Result("k", Outcome.KEPT)])
        await log.anchor()
        await log.close()
        """,
        vault,
        strace=strace_with(trace, "-e", "trace=write,fsync,fdatasync"),
    )
    # Only what happens to the anchors and, after that, to the folder that has a new name in it.
    calls = [line.split(None, 1)[1] for line in trace.read_text().splitlines()]
    told = [call for call in calls if "anchors.jsonl>" in call or f"{vault}>" in call]
    assert [call.split("(")[0] for call in told[-3:]] == ["write", "fsync", "fsync"]
    assert "anchors.jsonl>" in told[-2]
    assert f"{vault}>" in told[-1]


async def test_a_vault_put_back_to_an_older_state_is_found_by_the_anchors_outside(
    anchored: Path, tmp_path: Path
) -> None:
    """The whole folder is older, its own anchors with it: only what is not in it can tell."""
    outside = tmp_path / "elsewhere" / "anchors.jsonl"
    outside.parent.mkdir()
    older = tmp_path / "older"
    shutil.copytree(anchored, older)
    log = await AuditLog.open(anchored, SteppingClock(), outside)
    await log.append(OPERATION, [Result("k", Outcome.DELETED)])
    await log.anchor()
    assert await log.verify() == 5
    await log.close()
    assert [one.seq for one in read_anchors(outside.parent, outside.name)] == [5]
    assert [one.seq for one in read_anchors(anchored)] == [2, 4, 5]
    assert await opened_and_verified(older) == 4
    with pytest.raises(AuditBroken, match="record 5 is missing"):
        await AuditLog.open(older, SteppingClock(), outside)
    # Another log of the same length is not the one that was seen.
    log = await AuditLog.open(older, SteppingClock())
    await log.append(OPERATION, [Result("k", Outcome.KEPT)])
    await log.anchor()
    await log.close()
    with pytest.raises(AuditBroken, match="record 5 is not the one"):
        await AuditLog.open(older, SteppingClock(), outside)
    outside.write_bytes(b"x\n")
    with pytest.raises(AuditBroken, match="no anchor"):
        await AuditLog.open(anchored, SteppingClock(), outside)


async def test_the_head_is_told_in_our_log(log: AuditLog, caplog: pytest.LogCaptureFixture) -> None:
    await log.append(OPERATION, [Result("k", Outcome.KEPT)])
    with caplog.at_level(logging.INFO):
        await log.anchor()
    seq, head = await log.head()
    [line] = [json.loads(record.getMessage()) for record in caplog.records]
    assert (line["event"], line["seq"], line["head"]) == ("anchor", seq, head.hex())
