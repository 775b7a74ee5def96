"""`s3gc --plain`: the views once as linear text, clean, and with the exit codes of batch."""

from __future__ import annotations

import unicodedata

import pytest

from tests.tui.command_line import CommandLine, Ran
from tests.tui.small_world import FORGOTTEN, SmallWorld

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# What a screen reader would stumble over.
_DRAWN = set("─│┌┐└┘▀▁▂▃▄▅▆▇█…") | {"[#", ".."}


def tame(ran: Ran, code: int = 0) -> str:
    """What was printed; no control, no drawing in it."""
    assert ran.code == code, ran.complaints
    for line in ran.text.splitlines():
        assert not {c for c in line if unicodedata.category(c) in _HIDDEN}
        assert not any(drawn in line for drawn in _DRAWN), line
    return ran.text


async def test_all_views_before_and_after_an_execution(small: SmallWorld) -> None:
    text = tame(await small.cli("--plain"))
    assert "No scan has finished yet." in text
    assert "\nCandidates:\nNo candidate.\n" in text
    operation_id = await small.collected()
    text = tame(await small.cli("--plain", "all"))
    titles = [line for line in text.splitlines() if line.endswith(":") and " " not in line]
    assert titles == ["Jobs:", "Plans:", "Streams:", "Vault:", "History:", "Candidates:"]
    assert f"{operation_id} execute done" in text
    assert "3 backups" in text
    for view, words in (
        ("jobs", f"{operation_id} execute done"),
        ("plans", " executed by "),
        ("streams", "No database is followed"),
        ("vault", "3 backups"),
        ("history", f"{operation_id} execute done"),
    ):
        shown = tame(await small.cli("--plain", view))
        assert words in shown
        assert shown in text or view in ("plans", "vault")


async def test_candidates_with_a_filter(small: SmallWorld) -> None:
    await small.planned()
    text = tame(await small.cli("--plain", "candidates", "gone/"))
    found = {key for key in FORGOTTEN if f" {key}" in text}
    assert found == {"gone/a.txt", "gone/b.txt"}
    assert "backups/d.txt" not in text
    both = tame(await small.cli("--plain", "candidates", "verdict:keep"))
    assert "keep, 1 B" in both
    assert "protected by the prefix backups/" in both


async def test_a_verdict_with_every_layer_and_reference(small: SmallWorld) -> None:
    text = tame(await small.cli("--plain", "verdict", "used/1.jpg"))
    lines = text.splitlines()
    assert "main  users.avatar  row 1  seen by the database" in lines
    assert any(line.startswith("=> KEEP") for line in lines)
    assert tame(await small.cli("--plain", "verdict", "no such key"), 7) == ""


async def test_the_references(small: SmallWorld) -> None:
    await small.world.app.execute("ALTER TABLE users ADD COLUMN note TEXT")
    await small.world.app.execute("UPDATE users SET note = 'used/\x1b[2J' WHERE id = 1")
    await small.world.app.execute("UPDATE users SET note = 'gone/a.txt' WHERE id = 2")
    await small.world.app.execute("INSERT INTO users VALUES (9, 'never/was.jpg', NULL)")
    await small.world.scan()
    lines = tame(await small.cli("--plain", "references")).splitlines()
    assert lines[0] == "2 columns: 1 OPEN, 0 unknown, 0 cleared, 1 tracked."
    assert lines[1].startswith("OPEN: main:main.users.note, TEXT; 50.0% keys, 1 of 2; looked at ")
    assert lines[2:] == [
        "value: gone/a.txt",
        "tracked: main:main.users.avatar, TEXT; every scan reads it",
        "main:users.avatar: 2 of 3 rows with their object, 66.7%; 1 dangling",
        "Rows without their object: s3gc references dangling",
    ]
    # Why there is no plan, and what to do, is in the view of everything.
    text = tame(await small.cli("--plain"))
    assert "\nBlocked by the guard coverage:main:main.users.note: " in text
    assert "\nNext: track it under [tables]" in text
    await small.world.app.execute("ALTER TABLE users RENAME TO people")
    assert tame(await small.cli("--plain", "references"), 2) == ""


async def test_a_key_that_wants_the_terminal(small: SmallWorld) -> None:
    wild = "a\x1b[2J\u202e[red].jpg"
    await small.world.app.execute(f"INSERT INTO users VALUES (9, '{wild}')")
    text = tame(await small.cli("--plain", "verdict", wild))
    assert text.startswith("a\\x1b[2J\\u{202e}[red].jpg\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["references", "x"],
        ["verdict"],
        ["jobs", "x"],
        ["candidates", "size>many"],
        ["scan"],
    ],
)
async def test_wrong_usage(small: SmallWorld, arguments: list[str]) -> None:
    ran = await small.cli("--plain", *arguments)
    assert (ran.code, "--plain" in ran.complaints) == (2, True)


async def test_without_a_configuration(alone: CommandLine) -> None:
    assert (await alone("--plain")).code == 2
    both = await alone("--batch", "--plain")
    assert both.code == 2
    assert both.summary["error"] == "usage"


async def test_a_bucket_that_does_not_answer(small: SmallWorld) -> None:
    small.write_config(endpoint_url="http://127.0.0.1:9")
    assert (await small.cli("--plain", "verdict", "used/1.jpg")).code == 6


async def test_it_loads_no_textual(small: SmallWorld) -> None:
    from tests.tui.test_imports import loaded

    assert await loaded(small.cli, "--plain", "jobs") & {"textual", "PIL"} == set()


async def test_the_change_streams(followed: SmallWorld) -> None:
    lines = tame(await followed.cli("--plain", "streams")).splitlines()
    step = "`s3gc follow` goes on with it; a scan comes up to now by itself"
    assert lines == ["Nobody follows.", "main not begun; never heard from", f"Next: {step}"]
    assert (await followed.world.scan()).blocked == []
    text = tame(await followed.cli("--plain"))
    assert "\nStreams:\nNobody follows.\nmain waiting; " in text
    assert " behind; told at 20" in text
    assert "; the server says reserved\n" in text
    assert (await followed.cli("--plain", "streams", "x")).code == 2
