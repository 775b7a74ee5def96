"""`s3gc --batch discover` and `references`: from an empty configuration to one that covers all."""

from __future__ import annotations

import pytest

from tests.tui.small_world import FORGOTTEN, LATER, USED, SmallWorld

COLUMN = "main:main.users.avatar"


async def test_from_nothing_configured_to_a_scan(small: SmallWorld) -> None:
    small.write_config(sources=())
    before = small.cli.config.read_text()
    assert (await small.cli.batch("scan")).code == 3
    ran = await small.cli.batch("discover")
    assert ran.code == 0
    [column] = ran.of("column")
    assert {name: column[name] for name in ("table", "column", "codec", "standing")} == {
        "table": "users",
        "column": "avatar",
        "codec": "key",
        "standing": "unknown",
    }
    assert (column["values"], column["resolved"], column["share"]) == (2, 2, 1.0)
    assert column["samples"] == list(USED)
    [line] = ran.of("config")
    assert line["line"] == 'users = [{column = "avatar", codec = "key"}]'
    assert ran.summary["outcome"] == "done"
    assert (ran.summary["with_keys"], ran.summary["new"], ran.summary["written"]) == (1, 1, False)
    assert small.cli.config.read_text() == before

    written = await small.cli.batch("discover", "--write")
    assert (written.code, written.summary["written"]) == (0, True)
    assert line["line"] in small.cli.config.read_text()
    scanned = await small.cli.batch("scan", days=LATER)
    assert (scanned.code, scanned.summary["orphans"]) == (0, len(FORGOTTEN))
    # Nothing is left to be added.
    again = await small.cli.batch("discover", "--write")
    assert (again.of("config"), again.summary["new"], again.summary["written"]) == ([], 0, False)
    assert again.of("column")[0]["standing"] == "tracked"


async def test_what_stands_before_keys_in_urls_is_found_and_written(small: SmallWorld) -> None:
    await small.world.app.execute("CREATE TABLE pages (id INTEGER PRIMARY KEY, body TEXT)")
    await small.world.app.executemany(
        "INSERT INTO pages (body) VALUES (?)",
        [(f'<a href="https://example.org/media/{key}">here</a>',) for key in FORGOTTEN],
    )
    ran = await small.cli.batch("discover")
    [pages] = [column for column in ran.of("column") if column["table"] == "pages"]
    assert (pages["codec"], pages["url_patterns"]) == ("text", ["/media/{key}"])
    assert [(line["table"], line["line"]) for line in ran.of("config")] == [
        (None, 'url_patterns = ["/media/{key}"]'),
        ("pages", 'pages = [{column = "body", codec = "text"}]'),
    ]
    assert (ran.summary["new"], ran.summary["new_patterns"]) == (1, 1)
    assert (await small.cli.batch("discover", "--write")).summary["written"]
    scanned = await small.cli.batch("scan", days=LATER)
    assert (scanned.summary["orphans"], scanned.summary["held"]) == (0, 0)
    again = await small.cli.batch("discover", "--write")
    assert (again.of("config"), again.summary["written"]) == ([], False)


async def test_a_column_is_cleared_and_reopened(small: SmallWorld) -> None:
    await small.world.app.execute("ALTER TABLE users ADD COLUMN note TEXT")
    await small.world.app.execute("UPDATE users SET note = 'left/c.txt'")
    blocked = await small.cli.batch("scan", days=LATER)
    assert blocked.code == 3
    [trip] = blocked.summary["blocked"]
    assert trip["guard"] == "coverage:main:main.users.note"
    ledger = await small.cli.batch("references", "coverage")
    assert [(c["column"], c["standing"], c["open"]) for c in ledger.of("column")] == [
        (COLUMN, "tracked", False),
        ("main:main.users.note", "unknown", True),
    ]
    shown = await small.cli.batch("references", "coverage", "--open")
    assert [c["column"] for c in shown.of("column")] == ["main:main.users.note"]

    # The next step that the guard names, as it is written.
    command = trip["next_step"].partition("s3gc ")[2].rpartition("s3gc ")[2].split()
    assert command[:2] == ["references", "clear"]
    cleared = await small.cli.batch(*command[:3], "--reason", "a copy for people")
    assert (cleared.code, cleared.summary["columns"]) == (0, 1)
    [column] = cleared.of("column")
    assert (column["column"], column["standing"]) == ("main:main.users.note", "unknown")
    assert (await small.cli.batch("scan", days=LATER)).code == 0
    [column] = (await small.cli.batch("references", "coverage")).of("column")[1:]
    assert (column["standing"], column["reason"]) == ("cleared", "a copy for people")
    reopened = await small.cli.batch("references", "reopen", "users.note", "--reason", "no")
    assert reopened.code == 0
    assert (await small.cli.batch("scan", days=LATER)).code == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("references",), 2),
        (("references", "clear", "users"), 2),
        (("references", "clear", "users", "--reason", " "), 2),
        (("references", "clear", "nope", "--reason", "why"), 7),
        (("references", "clear", "users.avatar", "--reason", "why"), 7),
        (("references", "reopen", "users", "--reason", "why"), 7),
        (("references", "dangling"), 7),
        (("discover", "--rows", "many"), 2),
    ],
)
async def test_wrong_input(small: SmallWorld, arguments: tuple[str, ...], code: int) -> None:
    assert (await small.cli.batch(*arguments)).code == code


async def test_dangling(small: SmallWorld) -> None:
    await small.collected()
    await small.world.app.execute(
        "INSERT INTO users VALUES (8, 'gone/a.txt'), (9, 'never/was.jpg')"
    )
    await small.world.scan()  # what is missing is so since the last listing
    ran = await small.cli.batch("references", "dangling")
    assert ran.code == 0
    assert [(d["source"], d["row"], d["keys"], d["in_vault"]) for d in ran.of("dangling")] == [
        ("main:users.avatar", 8, ["gone/a.txt"], ["gone/a.txt"]),
        ("main:users.avatar", 9, ["never/was.jpg"], []),
    ]
    assert (ran.summary["dangling"], ran.summary["in_vault"]) == (2, 1)


async def test_why_names_the_query_and_the_last_holder(small: SmallWorld) -> None:
    await small.planned()
    ran = await small.cli.batch("why", "used/1.jpg")
    assert {r["seen_by"] for r in ran.of("reference")} == {"registry", "database"}
    for reference in ran.of("reference"):
        assert await small.world.app.execute(reference["query"]) == [("used/1.jpg",)]
    await small.world.app.execute("DELETE FROM users WHERE id = 1")
    await small.world.scan()
    ran = await small.cli.batch("why", "used/1.jpg")
    [last] = ran.of("last-reference")
    assert (last["source"], last["row"]) == ("main:users.avatar", 1)
    assert ran.summary["searched"] == ["main:users.avatar"]
