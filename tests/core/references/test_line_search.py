"""What a server sends as lines is searched as the rows that it stands for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import Lines, Page, TableRead, open_database
from s3gc_core.databases.postgres_copy import columns_of
from s3gc_core.references import Course, DatabaseSearch, KeySearch, Mention
from s3gc_core.references.discovery import ColumnId
from s3gc_core.references.form_finder import MANY
from s3gc_core.references.written_forms import written_forms
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer

COLUMNS = [ColumnId("main", "public.t", name) for name in ("a", "b")]
# What COPY writes in another way (PostgreSQL manual, "COPY", "Text Format").
_ESCAPES = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r"}
_ESCAPES |= {"\t": "\\t", "\v": "\\v"}
Values = tuple[str | None, str | None]


def sent(text: str | None) -> str:
    return "\\N" if text is None else "".join(_ESCAPES.get(c, c) for c in text)


@dataclass
class Sent:
    """Lines, and which of them were made rows."""

    rows: Sequence[Values]
    data: bytes = b""
    read: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        lines = [f"{n}\t{sent(a)}\t{sent(b)}\n" for n, (a, b) in enumerate(self.rows)]
        self.data = "".join(lines).encode()

    @property
    def size(self) -> int:
        return len(self.data)

    def page(self, lines: bytes) -> Page:
        ids, *columns = columns_of(lines, 3)
        numbers = [int(n or "") for n in ids]
        self.read += numbers
        return Page(numbers, columns)


def both(keys: Sequence[str], rows: Sequence[Values]) -> tuple[set[Mention], set[Mention]]:
    """What is found in the lines, and in the rows."""
    page = Page(range(len(rows)), list(zip(*rows, strict=True)) or [(), ()])
    lines: Lines = Sent(rows)
    return (
        set(KeySearch(keys).part_mentions(COLUMNS, lines)),
        set(KeySearch(keys).part_mentions(COLUMNS, page)),
    )


LETTERS = st.sampled_from("ab/%2F\\N\t\n.é &+")
TEXTS = st.text(LETTERS, max_size=12)
KEYS = st.text(LETTERS, min_size=1, max_size=24)


@given(
    st.lists(KEYS, min_size=1, max_size=6, unique=True),
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 30), TEXTS, TEXTS, TEXTS | st.none()),
        max_size=12,
    ),
)
def test_lines_are_searched_as_their_rows(
    keys: list[str], held: list[tuple[int, int, str, str, str | None]]
) -> None:
    rows: list[Values] = []
    for key, form, before, after, other in held:
        forms = written_forms(keys[key % len(keys)])
        rows.append((before + forms[form % len(forms)] + after, other))
    in_lines, in_rows = both(keys, rows)
    assert in_lines == in_rows


@pytest.mark.parametrize(
    "name",
    ["up/{n}/{name}.jpg", "{name}/t.jpg", "{name}.jpg", "{name}", "up/{n}/é {name}.jpg"],
)
def test_each_way_to_look_finds_in_lines_what_it_finds_in_rows(name: str) -> None:
    """Enough keys that marks are looked for, and a mixture that one mark does not do for."""
    slashes = ("/", "%2F", "%2f", "\\/")
    chance = random.Random(1)
    names = [f"{chance.getrandbits(96):024x}" for _ in range(MANY + 100)]
    keys = [name.format(n=n % 7, name=one) for n, one in enumerate(names)]
    keys[: MANY // 20] = [f"other-{one}" for one in names[: MANY // 20]]
    some = keys[:: MANY // 60]
    texts = [one.replace("/", slashes[n % 4]) for n, one in enumerate(some)]
    rows: list[Values] = [("nothing", None) for _ in range(1_000)]
    for n, text in enumerate(texts):
        rows[n * 7] = (f"see {text}", None)
        rows[n * 7 + 1] = (None, f"{text[:-1]}? no, {text[1:]}")
    lines = Sent(rows)
    found = KeySearch(keys).part_mentions(COLUMNS, lines)
    page = Page(range(len(rows)), list(zip(*rows, strict=True)))
    assert set(found) == set(KeySearch(keys).part_mentions(COLUMNS, page))
    assert len({mention.row for mention in found}) >= len(texts)


@pytest.mark.parametrize("odd", [False, True])
def test_keys_of_which_one_mark_does_for_all_are_found_escaped(odd: bool) -> None:
    """Then slashes are looked for as URLs write them, unless keys have other escapes too."""
    chance = random.Random(1)
    keys = [f"up/{n}/{chance.getrandbits(96):024x}.jpg" for n in range(MANY)]
    if odd:
        keys[0] = keys[0].replace("0/", "0/é")
    written = [keys[1], keys[2].replace("/", "%2F"), keys[3].replace("/", "%2f")]
    written += [keys[4].replace("/", "\\/"), keys[5].replace("/", "%2f", 1)]
    written += [f"up/0/%C3%A9{keys[0][6:]}"]
    rows: list[Values] = [(one, None) for one in ["nothing"] * 100 + written]
    assert KeySearch(keys)._plain.sees_through
    in_lines, in_rows = both(keys, rows)
    assert in_lines == in_rows
    held = {mention.row for mention in in_lines}
    assert held >= set(range(100, 105))
    assert (105 in held) is odd


@pytest.mark.parametrize("name", ["2f{name}.png", "2F{name}/b/0123456789abcdef", "f{name}"])
def test_what_looks_like_the_end_of_a_slash_is_found_in_lines(name: str) -> None:
    chance = random.Random(1)
    keys = [name.format(name=f"{chance.getrandbits(96):024x}") for _ in range(MANY)]
    rows: list[Values] = [("nothing", None)] * 100
    rows += [(f"100%{keys[1]}", None), (None, f"%2{keys[2]}"), (f"a%2F{keys[3]}", None)]
    in_lines, in_rows = both(keys, rows)
    assert in_lines == in_rows
    assert {mention.row for mention in in_lines} == {100, 101, 102}


def test_only_lines_that_may_hold_a_key_become_rows() -> None:
    chance = random.Random(1)
    one, other = (
        [f"up/{n}/{chance.getrandbits(96):024x}.jpg" for n in range(MANY)] for _ in range(2)
    )
    keys = one
    rows: list[Values] = [(key, None) for key in other]
    rows[1_234] = (None, f"x {keys[7]}")
    rows[1_300] = ("C:\\pictures", None)
    lines = Sent(rows)
    [found] = KeySearch(keys).part_mentions(COLUMNS, lines)
    assert (found.row, found.place) == (1_234, str(COLUMNS[1]))
    assert lines.read == [1_234, 1_300]


async def test_a_server_s_lines_hold_what_its_rows_hold(postgres: PostgresServer) -> None:
    """Against a server: escapes of every kind, values longer than many pieces, and none."""
    app = AppDatabase(await postgres.create_database())
    await app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b VARCHAR(99))")
    key = "up/1/0123456789abcdef.jpg"
    odd = "tab\tand\\back\nslash/é.jpg"
    rows = [
        (1, f"see {key}", None),
        (2, None, key.replace("/", "%2F")),
        (3, odd, "x"),
        (4, "\\N", None),
        (5, None, None),
        (6, "y" * 3_000_000 + key, "z"),
        (7, f"{key}\r{odd}", "é"),
    ]
    await app.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    await app.executemany(
        "INSERT INTO t VALUES (?, ?, ?)", [(n, f"none {n}", None) for n in range(8, 30_000)]
    )
    database = open_database(DatabaseConfig(app.url))
    search = DatabaseSearch([database], KeySearch([key, odd]), (), (), Course())
    found = {(one.row, one.place[-1]) async for some in search.mentions() for one in some}
    assert found == {(1, "a"), (2, "b"), (3, "a"), (6, "a"), (7, "a")}
    async with database.snapshot() as snapshot:
        read = TableRead("t", ("a", "b"))
        parts = [part async for part in snapshot.lines(read)]
        pages = [part.page(part.data) for part in parts if not isinstance(part, Page)]
        in_lines = [row for page in pages for row in page]
        assert len(pages) == len(parts) > 1
        assert in_lines == [row async for page in snapshot.rows(read) for row in page]
    await app.close()
