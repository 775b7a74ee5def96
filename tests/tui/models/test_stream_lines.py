"""The change streams as words, rows and linear text, from pictures made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from s3gc_core.actions.streams import StreamStatus
from s3gc_core.jobs import LeaseHolder
from s3gc_tui.models import pane_lines, stream_lines
from s3gc_tui.models.lines import Look, plain_text
from s3gc_tui.models.picture import Picture, StreamsLook
from tests.tui.models.hostile import HOSTILE, assert_tame
from tests.tui.models.pictures import ABOUT, NOW, picture

FOLLOWER = LeaseHolder("01KAJ0000000000000000FOLLO", "follow", "ops@ops-1", 4711, NOW)
SCAN = replace(FOLLOWER, what="scan")


def stream(name: str = "main", state: str = "following", behind: float = 0.4, **more: Any) -> Any:
    true_at = None if state == "not begun" else NOW - timedelta(seconds=behind)
    return StreamStatus(name, state, true_at=true_at, **more)


def followed(
    *streams: StreamStatus,
    follower: LeaseHolder | None = FOLLOWER,
    problem: str = "",
    files: tuple[str, ...] = (),
) -> Picture:
    look = StreamsLook(NOW, streams, problem)
    about = replace(ABOUT, cdc=True, files=files)
    return replace(picture(), about=about, streams=look, follower=follower)


@pytest.mark.parametrize(
    ("shown", "words", "look"),
    [
        (picture(), "cdc off", Look.DIM),
        (replace(followed(), streams=None), "stream ?", Look.DIM),
        (followed(problem="gone"), "stream unknown", Look.WARN),
        (followed(stream()), "stream ok 0.4 s", Look.DIM),
        (followed(stream(behind=-3)), "stream ok 0.0 s", Look.DIM),
        (followed(stream(), stream("b", behind=10)), "stream ok 10 s", Look.DIM),
        (followed(stream(), stream("b", behind=12)), "stream 12 s behind", Look.WARN),
        (followed(stream(behind=200), stream("b")), "stream 3m 20s behind", Look.WARN),
        (followed(stream(), stream("b", "loading")), "stream loading", Look.WARN),
        (followed(StreamStatus("main", "following")), "stream loading", Look.WARN),
        (followed(stream(), stream("b", "waiting")), "stream waiting", Look.WARN),
        (followed(stream(state="not begun"), follower=None), "stream waiting", Look.WARN),
        # The lease tells at once that nobody follows; the answer may be older.
        (followed(stream(), follower=None), "stream waiting", Look.WARN),
        (followed(stream(state="waiting"), follower=SCAN), "stream: a scan", Look.DIM),
        (followed(stream(bytes=(1 << 30) - 1)), "stream ok 0.4 s", Look.DIM),
        (followed(stream(bytes=1 << 30)), "stream keeps 1.0 GiB", Look.WARN),
        (
            followed(stream(bytes=1 << 30), stream("b", bytes=(10 << 30) + 1), follower=None),
            "stream keeps 10.0 GiB",
            Look.BAD,
        ),
        (followed(stream(state="lost"), stream("b")), "stream lost: main", Look.BAD),
        (followed(stream(state="lost"), follower=None), "stream lost: main", Look.BAD),
        (followed(stream(state="lost"), follower=SCAN), "stream lost: main", Look.BAD),
        (followed(stream(), stream("x" * 40, "lost")), f"stream lost: {'x' * 11}…", Look.BAD),
        (followed(files=("app",)), "files followed", Look.DIM),
        (followed(files=("app",), follower=None), "stream waiting", Look.WARN),
        (followed(stream("a\x1b[2J", "lost")), "stream lost: a\\x1b[2J", Look.BAD),
    ],
)
def test_in_a_few_characters(shown: Picture, words: str, look: Look) -> None:
    piece = stream_lines.stream_piece(shown)
    assert piece.text.startswith(words) if "…" in words else piece.text == words
    assert piece.look is look


@pytest.mark.parametrize("width", [60, 78, 80, 160])
def test_what_is_lost_is_an_alarm_in_the_panes(width: int) -> None:
    why = "the slot of main was removed"
    shown = followed(stream(state="lost", detail=why), stream("logs"), follower=None)
    # Before everything else that is not a problem of the look itself, also in a small terminal.
    assert "  stream lost: main" in pane_lines.top_line(shown, width).text
    jobs = pane_lines.jobs_lines(shown, width)
    assert f" STREAM LOST main: {why}" in plain_text(jobs).splitlines()
    assert "s3gc follow --reload" in " ".join(plain_text(jobs).split())
    assert "logs" not in plain_text(jobs)
    assert [one.pieces[0].look for one in jobs if "STREAM LOST" in one.text] == [Look.BAD]


def test_what_is_not_lost_is_none() -> None:
    for state in ("following", "loading", "waiting", "not begun"):
        shown = followed(stream(state=state))
        assert shown.lost_streams == ()
        assert stream_lines.lost_lines(shown, 80) == []


ROWS = followed(
    stream(told_at=NOW, transactions=1, bytes=1234, server_state="reserved"),
    stream(
        "shop",
        "loading",
        75,
        transactions=12_000,
        reading=["shop:users.avatar"],
        server_state="unreserved",
    ),
    stream("old", "lost", 7200, detail="the slot is gone", server_state="missing"),
    stream("new", "not begun"),
    files=("files",),
)


def test_rows_and_their_looks() -> None:
    assert plain_text(stream_lines.rows(ROWS, 80)).splitlines() == [
        " main           following 0.4 s     2026-11-21 08:34  1.2 KiB    reserved",
        " shop           loading   1m 15s    -                 -          unreserved",
        " old            lost      2h 00m    -                 -          missing",
        " new            not begun -         -                 -          -",
        " files          following a file",
    ]
    wide = plain_text(stream_lines.rows(ROWS, 160)).splitlines()
    assert wide[1].endswith("  unreserved      shop:users.avatar")
    looks = {one.id: [piece.look for piece in one.pieces] for one in stream_lines.rows(ROWS, 80)}
    assert looks["main"][1] is Look.GOOD
    assert looks["old"][1] is looks["old"][-1] is Look.BAD
    assert looks["shop"][1] is looks["shop"][2] is looks["shop"][-1] is Look.WARN


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("main", ["true for  everything committed before 2026-11-21 08:33:59 UTC", "nothing;"]),
        ("shop", ["reading   as a whole first: shop:users.avatar"]),
        ("old", ["detail    the slot is gone", "next      `s3gc follow --reload`"]),
        ("new", ["true for  no moment yet"]),
        ("files", ["a file: it is looked at for changes"]),
    ],
)
def test_what_the_cursor_is_on(name: str, words: list[str]) -> None:
    shown = plain_text(stream_lines.about_lines(ROWS, name, 80))
    assert [word for word in words if word not in shown] == []
    assert stream_lines.about_lines(ROWS, "none of them", 80) == []


@pytest.mark.parametrize(
    ("status", "is_followed", "step"),
    [
        (stream(), True, "nothing; it goes on by itself"),
        (stream(), False, "`s3gc follow` goes on with it; a scan comes up to now by itself"),
        (stream(state="lost"), True, stream_lines.LOST_STEP),
        (stream(state="lost"), False, stream_lines.LOST_STEP),
        (stream(detail="no answer"), True, "it is tried again; `s3gc doctor` says what is wrong"),
    ],
)
def test_the_next_step(status: StreamStatus, is_followed: bool, step: str) -> None:
    assert stream_lines.next_step(status, is_followed).startswith(step)


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (followed(stream()), "process 4711 of ops@ops-1 follows since 2026-11-21 08:34 UTC"),
        (followed(stream(), follower=SCAN), "a scan of ops@ops-1 follows, until it ends"),
        (followed(stream(), follower=None), "nobody follows; a scan comes up to now by itself"),
        (picture(), "no database has cdc = true"),
        (followed(problem="no answer within 20 s"), "not known: no answer within 20 s"),
        (replace(followed(), streams=None), "asking the servers ..."),
    ],
)
def test_the_head_of_the_screen(shown: Picture, words: str) -> None:
    assert words in plain_text(stream_lines.head_lines(shown, 80))


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("wild", HOSTILE)
def test_nothing_of_theirs_reaches_the_terminal(wild: str, width: int) -> None:
    one = stream(wild, "lost", detail=wild, server_state=wild, reading=[wild], bytes=1)
    holder = replace(FOLLOWER, actor=wild)
    shown = followed(one, follower=holder, problem=wild, files=(wild,))
    lines = [
        *stream_lines.head_lines(shown, width),
        *stream_lines.rows(shown, width),
        *stream_lines.about_lines(shown, wild, width),
        *stream_lines.lost_lines(shown, width),
        *stream_lines.reload_lines([wild], wild, width),
        pane_lines.top_line(shown, width),
    ]
    assert_tame(lines, width)
    assert_tame(list(stream_lines.stream_text(shown)), 1_000_000)


def test_what_servers_keep() -> None:
    """Long before their disk is full."""
    kept = followed(
        stream(bytes=(10 << 30) + 1), stream("b", "waiting", bytes=5 << 30), follower=None
    )
    looks = [one.pieces[-2].look for one in stream_lines.rows(kept, 80)]
    assert looks == [Look.BAD, Look.WARN]
    about = plain_text(stream_lines.about_lines(kept, "b", 160))
    assert "kept      its server keeps 5368709120 bytes of its log, of 10737418240 at most" in about
    assert "next      `s3gc follow`, or `s3gc follow --stop --drop-slot` where nobody" in about


def test_as_linear_text() -> None:
    told = "0.4 s behind; told at 2026-11-21 08:34:00 UTC; 1 transaction since;"
    told += " 1.2 KiB kept by the server; the server says reserved"
    reading = "1m 15s behind; 12,000 transactions since; the server says unreserved;"
    reading += " reading 1 source: shop:users.avatar"
    assert plain_text(list(stream_lines.stream_text(ROWS))).splitlines() == [
        "Held by a follow of ops@ops-1, process 4711.",
        f"main following; {told}",
        "Next: nothing; it goes on by itself",
        f"shop loading; {reading}",
        "Next: nothing; it goes on by itself",
        "old lost; 2h 00m behind; the server says missing; the slot is gone",
        f"Next: {stream_lines.LOST_STEP}",
        "new not begun; never heard from",
        "Next: nothing; it goes on by itself",
        "files following; a file: it is looked at for changes, and no server keeps anything",
    ]
    nobody = followed(stream(state="waiting"), follower=None)
    assert plain_text(list(stream_lines.stream_text(nobody))).startswith("Nobody follows.\n")
    none = plain_text(list(stream_lines.stream_text(picture()))).strip()
    assert none == "No database is followed: each scan reads them as a whole."
