"""Keys that are written in ways which no list of forms has are found once escapes are undone."""

from __future__ import annotations

import html
import json
import unicodedata
from urllib.parse import quote, quote_plus

import pytest

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import Engine, open_database
from s3gc_core.references import ColumnId, Course, DatabaseSearch, KeySearch
from s3gc_core.references.undone_escapes import copies, escaped_places
from tests.servers.app_database import AppDatabase

COLUMN = ColumnId("main", "public.t", "c")
KEY = "uploads/2024/a-3f9a8b7c.jpg"
PHP = json.dumps({"p": KEY}).replace("/", "\\/")
NOT_ASCII = (
    "docs/m\u00fcller \u00e0 \u00c5.pdf",
    "docs/\u65e5\u672c\u044f.pdf",
    "docs/\U0001f600.pdf",
)


def as_latin(text: str) -> str:
    """What is read instead where UTF-8 was stored as Latin-1 by PostgreSQL."""
    return text.encode().decode("latin-1")


def as_windows(text: str) -> str:
    """The same, of MySQL."""
    codes = text.encode()
    return "".join(bytes([c]).decode("cp1252") if c not in HOLES else chr(c) for c in codes)


HOLES = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
# Each with its key, in the ways in which applications write them.
WRITTEN = [
    (KEY, KEY.replace("/", "\\")),
    (KEY, "C:\\data\\" + KEY.replace("/", "\\")),
    (KEY, KEY.replace("/", "\\\\")),
    (KEY, KEY.replace("/", "//")),
    (KEY, f"https://cdn.example.org//{KEY.replace('/', '//')}"),
    (KEY, quote(quote(KEY, safe=""), safe="")),
    (KEY, quote(quote(quote(KEY, safe=""), safe=""), safe="")),
    (KEY, KEY.replace("/", "%2F%2F")),
    (KEY, KEY.replace("/", "/%2F")),
    (KEY, KEY.replace("/", "\\u002f")),
    (KEY, KEY.replace("/", "\\u002F")),
    (KEY, KEY.replace("/", "\\x2f")),
    (KEY, KEY.replace("/", "&#x2F;")),
    (KEY, KEY.replace("/", "&#47;")),
    (KEY, KEY.replace("/", "&sol;")),
    (KEY, KEY.replace(".", "%2E")),
    (KEY, KEY.replace("-", "%2D")),
    (KEY, json.dumps([PHP])),
    (KEY, json.dumps([json.dumps([PHP])])),
    (KEY, html.escape(json.dumps({"u": f"https:\\/\\/h\\/{quote(KEY, safe='')}"}))),
    (KEY, KEY.replace("/2024", "/x/../2024")),
    (KEY, KEY.replace("/2024", "/x/y/../../2024").replace("/", "%2F")),
    (KEY, KEY.replace("/2024", "/my drafts/../2024").replace("/", "\\/")),
    (KEY, KEY.replace("/2024", "/x/..//./2024").replace("/", "\\")),
    (KEY, KEY.replace("/2024", "/./2024")),
    (KEY, f"x <img src=/v/../{KEY}>"),
    (KEY, f"https://h/{KEY.replace('/2024', '/x/%2e%2E/2024')}?v=1"),
    *((key, as_latin(key)) for key in NOT_ASCII),
    *((key, as_windows(key)) for key in NOT_ASCII),
    *((key, as_latin(key).replace("/", "\\/")) for key in NOT_ASCII),
    *((key, json.dumps({"p": as_windows(key)})) for key in NOT_ASCII),
    *((key, quote(as_latin(key))) for key in NOT_ASCII),
    (NOT_ASCII[0], as_latin(unicodedata.normalize("NFD", NOT_ASCII[0]))),
    (NOT_ASCII[0], quote(NOT_ASCII[0], encoding="latin-1")),
    (NOT_ASCII[0], f"https://h/{quote(NOT_ASCII[0], safe='', encoding='latin-1')}?v=1"),
    ("docs/R&D plan.pdf", '{"p":"docs/R\\u0026D plan.pdf"}'),
    ("docs/R&D plan.pdf", "docs/R&amp;amp;D plan.pdf"),
    ("docs/R&D plan.pdf", quote_plus("docs/R&D plan.pdf").replace("%", "%25")),
    ("docs/it's here.pdf", '{"p":"docs/it\\u0027s here.pdf"}'),
    ("docs/it's here.pdf", "<a href='docs/it&#39;s here.pdf'>"),
    ("docs/C++ (1).pdf", "docs/C%2B%2B%20(1).pdf"),
    ("docs/C++ (1).pdf", "docs/C%2B%2B+(1).pdf"),
    ("docs/a [1].pdf", "https://cdn.example.org/docs/a%20[1].pdf"),
    ("docs/\u00e9 a.pdf", "docs/\u00e9%20a.pdf"),
    ("docs/e\u0301 a.pdf", "docs/\\u00e9%20a.pdf"),
    ("docs/\U0001f600.pdf", "docs%2f\\ud83d\\ude00.pdf"),
    ("docs/a b.pdf", "docs/a%2520b.pdf"),
]


@pytest.mark.parametrize(("key", "text"), WRITTEN)
def test_what_is_escaped_in_any_way_is_found(key: str, text: str) -> None:
    """Beside others, whose place it must not take."""
    other = key.replace("d", "e")
    values = [None, text, "nothing", text.replace("d", "e"), f"\n{text}\t%00 {other[:-1]}"]
    search = KeySearch([key])
    found = search.mentions(COLUMN, list(range(len(values))), values)
    assert {mention.row for mention in found} == {1, 4}


@pytest.mark.parametrize(
    "text",
    [
        *("plain", KEY, f"https://h/{KEY}", KEY.replace("/", "%2F"), "a & b", "1 + 1", "x:/y"),
        *("and so on ...", "/.hidden/x", "a../b", "../a.jpg", "./a.jpg"),
    ],
)
def test_of_what_is_not_escaped_no_copy_is_made(text: str) -> None:
    assert list(escaped_places(text.encode(), spaces=False)) == []


def test_values_and_lines_keep_their_number() -> None:
    """Whatever stands escaped, nothing becomes a border of values or lines."""
    text = b"\0%00%0A\\u0000\\n&#0;&#10;&NewLine;\n+//\0\\x00\\x0a%250a/../x/../\0"
    for copy in copies(text, spaces=True):
        assert (copy.count(b"\0"), copy.count(b"\n")) == (3, 1), copy


def of_its_own(number: int) -> tuple[str, str]:
    """One of `WRITTEN` with a name that no other row has."""
    key, text = (
        one.replace("3f9a8b7c", f"{number:08x}").replace("docs", f"docs{number}")
        for one in WRITTEN[number]
    )
    return key, text


@pytest.mark.parametrize("app_server", ["postgres", "mariadb"], indirect=True)
async def test_a_server_s_rows_are_found(app_database: AppDatabase) -> None:
    """In lines of COPY too, of which most become no rows; in documents and arrays."""
    app = app_database
    await app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT)")
    written = [of_its_own(number) for number in range(len(WRITTEN))]
    rows = [(n, f"an ordinary note {n}") for n in range(len(WRITTEN) * 80)]
    for number, (_, text) in enumerate(written):
        rows[number * 80] = (number * 80, text)
    await app.executemany("INSERT INTO t VALUES (?, ?)", rows)
    keys = [key for key, _ in written]
    expected = {(key, "t.c", number * 80) for number, key in enumerate(keys)}
    if app.engine is Engine.POSTGRESQL:
        await app.execute("CREATE TABLE d (id INTEGER PRIMARY KEY, j JSONB, a TEXT[])")
        document = json.dumps([PHP]).replace("'", "''")
        await app.execute(
            f"INSERT INTO d VALUES (1, '{document}', NULL), (2, NULL, ARRAY['{PHP}'])"
        )
        keys.append(KEY)
        expected |= {(KEY, "d.j", 1), (KEY, "d.a", 2)}
    search = KeySearch(keys)
    by_hash = dict(zip(search.hashes, keys, strict=True))
    searching = DatabaseSearch([open_database(DatabaseConfig(app.url))], search, (), (), Course())
    found = [one async for some in searching.mentions() for one in some]
    told = {(by_hash[m.hash], ".".join(m.place.rsplit(".", 2)[1:]), m.row) for m in found}
    assert told == expected


@pytest.mark.parametrize("key", NOT_ASCII)
@pytest.mark.parametrize("app_server", ["mariadb"], indirect=True)
async def test_a_connection_in_latin_1_that_wrote_utf_8(
    app_database: AppDatabase, key: str
) -> None:
    """What a server gives of it, and of bytes that are Windows-1252."""
    app = app_database
    await app.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, c VARCHAR(90) CHARACTER SET latin1, b BLOB)"
    )
    await app.execute(f"INSERT INTO t VALUES (1, _latin1 x'{key.encode().hex()}', 'x')")
    expected = {("t.c", 1)}
    if key == NOT_ASCII[0]:
        await app.execute(f"INSERT INTO t VALUES (2, 'x', x'{key.encode('cp1252').hex()}')")
        expected.add(("t.b", 2))
    searching = DatabaseSearch(
        [open_database(DatabaseConfig(app.url))], KeySearch([key, KEY]), (), (), Course()
    )
    found = [one async for some in searching.mentions() for one in some]
    assert {(".".join(m.place.rsplit(".", 2)[1:]), m.row) for m in found} == expected
