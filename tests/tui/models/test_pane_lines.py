"""The panes as text, at the widths they have at 80x24 and 160x48."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rich.cells import cell_len

from s3gc_core.actions.standing import CodecSum, Status
from s3gc_core.config import Images
from s3gc_core.jobs import Job, Standing
from s3gc_core.judgement import Judged, ObjectVerdict, PlanHistory, Verdict
from s3gc_core.judgement.guards import RunFacts, coverage
from s3gc_core.judgement.layers import LayerVerdict
from s3gc_core.replica import ReplicaLag
from s3gc_core.session import FOREVER
from s3gc_core.vault import Drilled, LastRecord
from s3gc_tui.models import pane_lines, plain_lines
from s3gc_tui.models.lines import plain_text
from s3gc_tui.models.verdict_lines import status_line, verdict_lines
from tests.core.judgement.evidence import layers, listed
from tests.tui.models.pictures import ABOUT, NOW, job, operation, picture, plan, scan

PASS = LayerVerdict(Verdict.PASS, "passes")


def judged(verdict: ObjectVerdict = ObjectVerdict.ORPHAN, **kept: LayerVerdict) -> Judged:
    entry = listed("exports/2024/03/d91c-full.parquet", size=512 << 20)
    return Judged(entry, verdict, layers(**kept), ())


def blocked() -> Status:
    """After a scan that found a forgotten schema."""
    facts = RunFacts(1, None, 0, NOW, NOW, [], 0, 0, [f"main:users.c{n}" for n in range(13)])
    status = picture().status
    assert status is not None
    return replace(status, last_scan=scan(blocked=list(coverage(facts)), plan_id=None))


READ_ONLY = " media-prod @prod-eu  [READ-ONLY]"


@pytest.mark.parametrize(
    ("changes", "width", "words"),
    [
        ({}, 80, READ_ONLY + "  refs 4m ago  cdc off  vault ok"),
        ({}, 100, READ_ONLY + "  refs 4m ago  cdc off  vault ok 212.0 GiB free"),
        (
            {"write_until": NOW + timedelta(minutes=26), "jobs": (job(),)},
            80,
            " media-prod @prod-eu  [WRITE until 09:00]  EXECUTE 57%  refs 4m ago",
        ),
        (
            {"about": replace(ABOUT, mode="dry_run", profile="", cdc=True), "vault": None},
            100,
            " media-prod  [READ-ONLY]  mode dry_run  refs 4m ago  stream ?  vault ?",
        ),
        (
            {"status": None, "problems": ("bucket: gone",)},
            120,
            READ_ONLY + "  1 problem(s), see @  refs none  cdc off  vault ok 212.0 GiB free",
        ),
        ({"write_until": FOREVER}, 60, " media-prod @prod-eu  [WRITE]  refs 4m ago  cdc off"),
        (
            {"jobs": (job(Standing.PAUSED),)},
            100,
            READ_ONLY + "  EXECUTE 57% paused  refs 4m ago  cdc off  vault ok",
        ),
        ({"taken_at": NOW + timedelta(days=2)}, 64, READ_ONLY + "  STALE  refs 2d ago"),
        ({"status": blocked()}, 80, READ_ONLY + "  BLOCKED  refs 4m ago  cdc off"),
    ],
)
def test_the_top_line(changes: dict[str, Any], width: int, words: str) -> None:
    shown = pane_lines.top_line(picture(**changes), width)
    assert shown.text.rsplit(maxsplit=1) == [words, "08:34Z"]
    assert len(shown.text) == width


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, " all four layers pass"),
        (
            {"taken_at": NOW + timedelta(days=2)},
            " the last scan is 2d old: nothing passes until the next",
        ),
        ({"status": None}, " the last scan is still to come: nothing passes until the next"),
        (
            {"operations": (replace(operation(deleted=1), finished_at=NOW),)},
            " objects were deleted or restored after this scan: it shows what was before",
        ),
        ({"operations": (replace(operation(kept=1), finished_at=NOW),)}, " all four layers pass"),
        ({"operations": (operation(None),)}, " all four layers pass"),
    ],
)
def test_the_status_line(changes: dict[str, Any], words: str) -> None:
    assert status_line(judged(), picture(**changes)).text == words


def test_an_orphans_verdict() -> None:
    shown = verdict_lines(judged(), picture(), 54)
    assert plain_text(shown).splitlines()[:7] == [
        " exports/2024/03/d91c-full.parquet",
        ' 512.0 MiB, 272d old, STANDARD, etag "e1"',
        "",
        " 1 registry  PASS",
        "     passes",
        " 2 database  PASS",
        "     passes",
    ]
    assert " => ORPHAN  all four layers pass" in plain_text(shown)


def test_what_is_stale_never_passes() -> None:
    """Two days later nothing passes any more, and an orphan is none."""
    kept = LayerVerdict(Verdict.KEEP, "protected by the prefix exports/")
    later = replace(picture(), taken_at=NOW + timedelta(days=2))
    for stale in (later, replace(picture(), status=None)):
        for one in (judged(), judged(ObjectVerdict.KEEP, exclusion=kept)):
            text = plain_text(verdict_lines(one, stale, 54))
            assert " PASS" not in text
            assert "ORPHAN" not in text
    text = plain_text(verdict_lines(judged(), later, 60))
    assert text.count("UNKNOWN") == 4
    assert "the scan is 2d old; it said: passes" in text
    assert "=> HELD" in text
    text = plain_text(verdict_lines(judged(ObjectVerdict.KEEP, exclusion=kept), later, 60))
    assert (text.count("UNKNOWN"), text.count(" KEEP")) == (3, 2)


def test_long_reasons_are_wrapped_into_the_width() -> None:
    reason = "main:users.avatar_url row 42 and 9 more differ from this key only in spelling"
    hostile = LayerVerdict(Verdict.UNKNOWN, reason + "\x1b[31m" * 9 + "x" * 100)
    shown = verdict_lines(judged(ObjectVerdict.HELD, registry=hostile), picture(), 60)
    assert [one.text for one in shown if cell_len(one.text) > 60] == []
    assert "".join(one.text.strip() for one in shown).count("\\x1b[31m") == 9
    assert "\x1b" not in plain_text(shown)


def test_why_there_is_no_plan_and_what_to_do() -> None:
    """Two guards in full, the others by their names: a forgotten schema has many columns."""
    shown = pane_lines.jobs_lines(picture(status=blocked(), plans=()), 78)
    lines = plain_text(shown).splitlines()
    assert lines[:9] == [
        " no job is running",
        "",
        " BLOCKED by coverage: main:users.c0 holds keys of this bucket, and is not",
        " tracked",
        " next: track it under [tables] (`s3gc discover` prints the line), or say that",
        " it does not count: s3gc references clear main:users.c0 --reason TEXT",
        " BLOCKED by coverage: main:users.c1 holds keys of this bucket, and is not",
        " tracked",
        " next: track it under [tables] (`s3gc discover` prints the line), or say that",
    ]
    assert lines[10].startswith(" and 11 more: coverage:main:users.c2, coverage:main:users.c3,")
    assert " ..." in plain_text(shown)
    assert "coverage:main:users.c9" in plain_text(shown)
    assert "coverage:main:users.c10" not in plain_text(shown)
    assert pane_lines.blocked_by(picture(status=blocked())) == "coverage"
    assert pane_lines.blocked_by(picture()) == ""
    typo = scan(unmatched_exclusions=["exclude_prefixes: lgos/"])
    status = picture().status
    assert status is not None
    told = pane_lines.blocked_lines(picture(status=replace(status, last_scan=typo)), 78)
    assert [one.text.strip() for one in told] == [
        "",
        "matches no object, is it misspelled? exclude_prefixes: lgos/",
    ]
    unseen = scan(
        unmatched_skips=["main:lgos"], search_skipped=["main:t"], search_unread={"main:u.c": "why"}
    )
    told = pane_lines.blocked_lines(picture(status=replace(status, last_scan=unseen)), 78)
    assert [one.text.strip() for one in told] == [
        "",
        "names no table, is it misspelled? database_search_skip: main:lgos",
        "not searched for keys: main:t, main:u.c",
    ]
    assert pane_lines.blocked_lines(picture(), 78) == []
    assert pane_lines.blocked_lines(picture(status=None), 78) == []


def test_jobs_and_plans() -> None:
    shown = pane_lines.jobs_lines(picture(jobs=(job(),)), 100)
    told = "deleted 23,498, changed 13"
    assert plain_text(shown).splitlines() == [
        f" EXEC95 EXECUTE running      execute [#######.....] 23,511 / 41,220 {told}",
        "",
        " PLAN    STATE        OBJECTS        SIZE  EXPIRES IN",
        " 0PLK7Q  approved      41,220   310.0 GiB  23h",
    ]
    ids = [f"job {job().operation_id}", f"plan {plan().plan_id}"]
    assert [one.id for one in shown if one.id] == ids


@pytest.mark.parametrize(
    ("history", "later", "word"),
    [
        (PlanHistory("h", None), timedelta(), "proposed"),
        (PlanHistory("h", True), timedelta(), "approved"),
        (PlanHistory("h", True), timedelta(days=2), "expired"),
        (PlanHistory("h", None), timedelta(days=2), "expired"),
        (PlanHistory("h", False), timedelta(days=2), "rejected"),
        (PlanHistory("h", True, started=True), timedelta(), "executing"),
        (PlanHistory("h", True, started=True, finished=True), timedelta(days=2), "executed"),
    ],
)
def test_the_state_of_a_plan(history: PlanHistory, later: timedelta, word: str) -> None:
    shown = replace(picture(plans=((plan(), history),)), taken_at=NOW + later)
    (line,) = [one for one in pane_lines.jobs_lines(shown, 80) if one.id]
    assert line.text.split()[1] == word


def test_a_job_that_died_and_one_that_cannot_be_read() -> None:
    status = replace(picture().status or pytest.fail("no status"), to_recover=3)
    jobs = (job(Standing.INTERRUPTED), Job("x" * 26, Standing.UNREADABLE, problem="not ours"))
    text = plain_text(pane_lines.jobs_lines(picture(jobs=jobs, status=status), 100))
    assert "interrupted" in text
    assert "unreadable  not ours" in text
    assert "3 steps in doubt; the next job recovers them" in text


def test_the_vault() -> None:
    assert plain_text(pane_lines.vault_lines(picture(), 54)).splitlines() == [
        " objects    48,112",
        " before     1.7 TiB",
        " after      212.0 GiB  (8.10x smaller)",
        " oldest     2026-03-02 08:34 UTC",
        " free       212.0 GiB",
        " verified   ok  5h ago, 1,200 backups",
        " replica    none is configured",
        " growth     ▁▂▃█",
        " /srv/s3gc/vault",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"verified_at": None}, "never  `s3gc vault verify` reads them back"),
        ({"damaged": 3}, "3 DAMAGED  5h ago, 1,200 backups"),
    ],
)
def test_when_backups_were_verified(changes: dict[str, Any], words: str) -> None:
    vault = replace(picture().vault or pytest.fail("no vault"), **changes)
    shown = plain_text(pane_lines.vault_lines(picture(vault=vault), 54)).splitlines()
    assert f" verified   {words}" in shown


@pytest.mark.parametrize(("differing", "words"), [(0, "ok"), (2, "2 DIFFERING")])
def test_the_last_drill(differing: int, words: str) -> None:
    record = Drilled(20, 7, 20, differing, 1.5, "/srv/scratch")
    status = replace(
        picture().status or pytest.fail("no status"),
        drill=LastRecord(NOW - timedelta(hours=2), "OP", record),
    )
    shown = plain_text(pane_lines.vault_lines(picture(status=status), 54)).splitlines()
    assert f" drill      {words}  2h ago, 20 restored" in shown
    assert not any("drill" in one.text for one in pane_lines.vault_lines(picture(), 54))


@pytest.mark.parametrize(
    ("lag", "words", "plain"),
    [
        ((0, 0, 0.0), "ok  has everything", "Replica vault/photos has everything."),
        (
            (12, 3 << 20, 90.0),
            "12 records, 3.0 MiB behind  for 1m",
            "Replica vault/photos lacks 12 records, 3.0 MiB of backups, the oldest for 1m.",
        ),
        (
            (1, 0, 5.0, "no \x1banswer"),
            "FAILING, 1 records behind",
            "It could not be written: no \\x1banswer.",
        ),
    ],
)
def test_the_replica(lag: tuple[Any, ...], words: str, plain: str) -> None:
    status = replace(
        picture().status or pytest.fail("no status"),
        replica=ReplicaLag("vault/photos", "local", 9, *lag),
    )
    shown = plain_text(pane_lines.vault_lines(picture(status=status), 54)).splitlines()
    assert f" replica    {words}" in shown
    assert plain in plain_text(list(plain_lines.vault_lines(picture(status=status)))).splitlines()


def test_history() -> None:
    past = (operation(deleted=41_007, failed=3), operation(None), operation("blocked"))
    shown = plain_text(pane_lines.history_lines(picture(operations=past), 78)).splitlines()
    assert shown == [
        " 2026-11-21 07:34  execute  done         deleted 41,007, failed 3  ana@ops-2",
        " 2026-11-21 07:34  execute  running?       ana@ops-2",
        " 2026-11-21 07:34  execute  blocked        ana@ops-2",
    ]


@pytest.mark.parametrize("width", [60, 78, 100, 158])
def test_every_line_fits(width: int) -> None:
    wide = picture(jobs=(job(), job(Standing.INTERRUPTED)), operations=(operation(deleted=1),))
    lines = [
        *pane_lines.vault_lines(wide, width),
        *verdict_lines(judged(), wide, width),
        *pane_lines.history_lines(wide, width),
    ]
    assert [one.text for one in lines if cell_len(one.text) > width] == []


def test_a_scan_that_never_was() -> None:
    none = replace(picture().status or pytest.fail("no status"), last_scan=None)
    assert picture(status=none).is_stale
    assert not picture().is_stale
    assert "no scan yet" in pane_lines.top_line(picture(status=none), 160).text


@pytest.mark.parametrize("lossy", [0, 3])
def test_how_backups_are_stored(lossy: int) -> None:
    codecs = {"compact": CodecSum(3, 9 << 20, 3 << 20)} if lossy else {}
    codecs |= {"jxl": CodecSum(4, 5 << 20, 4 << 20), "raw": CodecSum(12, 0, 0)}
    whole = picture()
    assert whole.vault is not None
    told = picture(
        vault=replace(whole.vault, codecs=codecs, lossy=lossy),
        about=replace(whole.about, images=Images.COMPACT if lossy else Images.EXACT),
    )
    shown = plain_text(pane_lines.vault_lines(told, 54))
    assert max(map(len, shown.splitlines())) <= 54
    shown = " ".join(shown.split())
    assert "jxl 4 (5.0 MiB, 1.25x)" in shown
    plain = plain_text(list(plain_lines.vault_lines(told)))
    assert "Stored as jxl: 4 backups, 5.0 MiB before, 4.0 MiB after.\n" in plain
    top = pane_lines.top_line(told, 160).text
    for text, words in (
        (shown, "3 LOSSY"),
        (shown, "compact 3 (9.0 MiB, 3.00x)"),
        (plain, "3.0 MiB after; LOSSY"),
        (top, "LOSSY images"),
    ):
        assert (words in text) == bool(lossy)
