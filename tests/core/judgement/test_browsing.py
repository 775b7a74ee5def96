"""Browsing beside a slow oracle: Python lists, filtered and sorted the plain way."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3gc_core.errors import ScanGone, VaultUnreachable
from s3gc_core.judgement import (
    CandidateBrowser,
    CandidateFilter,
    Column,
    IdVector,
    Judged,
    Newer,
    ObjectVerdict,
    Snapshot,
    Sort,
    Totals,
    View,
    candidate_queries,
    scan_tables,
)
from s3gc_core.judgement.candidate_queries import prefix_end
from s3gc_core.judgement.folders import MAXIMUM_DEPTH
from s3gc_core.judgement.read_lane import Reading
from tests.core.judgement.catalogue_file import (
    add,
    begin,
    candidate,
    finish,
    finished_scan,
    writing,
)
from tests.core.judgement.evidence import NOW, layers, listed

ORPHAN, KEEP, HELD = ObjectVerdict.ORPHAN, ObjectVerdict.KEEP, ObjectVerdict.HELD
HOSTILE = [
    "\x00", "a\x00b", "a\x00c/d", "\x1b[31m", "%", "_", "a%b", "[a]", "'; --", "//", "/", "a//b",
    "\u202e", "e\u0301", "\u00e9", "\U0001f5d1/x", "\U0010ffff", "\U0010ffffz", "\ud7ff", "\ue000",
]  # fmt: skip


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[CandidateBrowser]:
    opened = CandidateBrowser(tmp_path)
    yield opened
    await opened.close()


async def opened(browser: CandidateBrowser, scan_id: str | None = None) -> Snapshot:
    snapshot = await browser.open(scan_id)
    assert snapshot is not None
    return snapshot


async def keys_of(browser: CandidateBrowser, snapshot: Snapshot, view: View) -> list[str]:
    ids = await browser.ids(snapshot, view)
    assert ids[:3] == await browser.first_page(snapshot, view, 3)
    return [row.key for row in await browser.rows(snapshot, ids) if row is not None]


# --- filters and orders ---------------------------------------------------------------------

key_texts = st.one_of(st.text("ab/%_\x00\u00e9", min_size=1, max_size=6), st.sampled_from(HOSTILE))
candidates = st.lists(
    st.builds(
        candidate,
        key_texts,
        st.integers(0, 4) | st.just(1 << 50),
        st.integers(-1, 4).map(lambda days: timedelta(days=days)),
        st.sampled_from(ObjectVerdict),
    ),
    max_size=20,
    unique_by=lambda one: one.object.key,
)
filters = st.builds(
    CandidateFilter,
    prefix=st.text("ab/%\x00\u00e9", max_size=2) | st.sampled_from(HOSTILE),
    containing=st.lists(st.text("ab/%\x00", min_size=1, max_size=2), max_size=2).map(tuple),
    verdicts=st.frozensets(st.sampled_from(ObjectVerdict), max_size=2),
    larger_than=st.none() | st.integers(-1, 4) | st.just(1 << 80),
    smaller_than=st.none() | st.integers(0, 5) | st.just(1 << 80),
    older_than=st.none() | st.integers(0, 4).map(timedelta) | st.just(timedelta.max),
    younger_than=st.none() | st.integers(0, 4).map(timedelta) | st.just(timedelta.max),
)
sorts = st.builds(Sort, st.sampled_from(Column), st.booleans())


def matches(one: Judged, wanted: CandidateFilter) -> bool:
    o, age = one.object, NOW - one.object.last_modified
    return (
        o.key.startswith(wanted.prefix)
        and all(part in o.key for part in wanted.containing)
        and (not wanted.verdicts or one.verdict in wanted.verdicts)
        and (wanted.larger_than is None or o.size > wanted.larger_than)
        and (wanted.smaller_than is None or o.size < wanted.smaller_than)
        and (wanted.older_than is None or age > wanted.older_than)
        and (wanted.younger_than is None or age < wanted.younger_than)
    )


def slowly(some: list[Judged], view: View) -> list[str]:
    """The keys of a view; ids go up in the order of `some`."""

    def rank(at: int) -> tuple[object, int]:
        o = some[at].object
        value: object = {
            Column.KEY: o.key.encode(),
            Column.SIZE: o.size,
            Column.AGE: o.last_modified,
            Column.VERDICT: some[at].verdict,
        }[view.sort.column]
        return value, at

    # The older, the earlier modified; equals are the other way round as well.
    backwards = view.sort.descending != (view.sort.column is Column.AGE)
    found = [at for at, one in enumerate(some) if matches(one, view.filter)]
    return [some[at].object.key for at in sorted(found, key=rank, reverse=backwards)]


@pytest.mark.parametrize("few", [0, 20_000])
@pytest.mark.parametrize("ticks", [-1, 25])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(some=candidates, views=st.lists(st.builds(View, st.just(NOW), filters, sorts), min_size=3))
def test_a_view_is_what_plain_python_makes_of_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    ticks: int,
    some: list[Judged],
    views: list[View],
) -> None:
    """On whichever way: by the order's index, another index, or the whole table."""
    monkeypatch.setattr(candidate_queries, "FEW", few)
    monkeypatch.setattr(candidate_queries, "WALK_TICKS", ticks)

    async def compare() -> None:
        browser = CandidateBrowser(tmp_path)
        try:
            snapshot = await opened(browser)
            for view in views:
                expected = slowly(some, view)
                assert await keys_of(browser, snapshot, view) == expected
                found = [one for one in some if one.object.key in set(expected)]
                orphans = [one.object.size for one in found if one.verdict is ORPHAN]
                assert await browser.totals(snapshot, view.filter, NOW) == Totals(
                    len(found),
                    sum(one.object.size for one in found),
                    len(orphans),
                    sum(orphans),
                )
                pages = browser.orphans(snapshot, view.filter, NOW)
                marked = [size for page in pages_of([p async for p in pages]) for size in page]
                assert marked == orphans
        finally:
            await browser.close()

    for file in tmp_path.glob("catalogue.db*"):
        file.unlink()
    finished_scan(tmp_path, some)
    asyncio.run(compare())


def pages_of(pages: list[list[tuple[int, int]]]) -> list[list[int]]:
    return [[size for _, size in page] for page in pages]


@given(st.text(min_size=1, max_size=3), st.text(max_size=4))
def test_the_end_of_a_prefix_is_after_all_that_begin_with_it(prefix: str, other: str) -> None:
    end = prefix_end(prefix)
    for text in (prefix, prefix + other, prefix + "\U0010ffff" * 3, other):
        inside = prefix.encode("utf-8", "surrogatepass") <= text.encode("utf-8", "surrogatepass")
        if end is not None:
            inside = inside and text.encode("utf-8", "surrogatepass") < end.encode()
        assert inside == text.startswith(prefix)


async def test_few_of_a_prefix_by_size_are_not_looked_for_along_the_sizes(
    browser: CandidateBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trap of the notes: the planner's way reads everything for ten rows."""
    finished_scan(tmp_path, [candidate(f"many/{n:05}", n) for n in range(30_000)])
    with writing(tmp_path) as connection:
        add(connection, "S1", [candidate(f"few/{n}", 50_000 + n) for n in range(10)])
    snapshot = await opened(browser)
    view = View(NOW, CandidateFilter(prefix="few/"), Sort(Column.SIZE))
    found = await steps(browser, snapshot, view, monkeypatch)
    assert found < 20
    # The negative control: without the rule the same page costs a walk over all of them.
    monkeypatch.setattr(candidate_queries, "FEW", 0)
    assert await steps(browser, snapshot, view, monkeypatch) > 200


async def test_a_walk_that_finds_too_little_is_given_up(
    browser: CandidateBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_scan(tmp_path, [candidate(f"{n:05}", n, verdict=KEEP) for n in range(5_000)])
    with writing(tmp_path) as connection:
        add(connection, "S1", [candidate("last", 1 << 40)])
    snapshot = await opened(browser)
    view = View(NOW, CandidateFilter(verdicts=frozenset({ORPHAN})), Sort(Column.SIZE))
    monkeypatch.setattr("s3gc_core.judgement.read_lane.TICK", 1_000)
    monkeypatch.setattr(candidate_queries, "WALK_TICKS", 3)
    asked: list[list[int] | None] = []
    within = Reading.all_within

    def watched(self: object, ticks: int, query: str, parameters: object) -> object:
        asked.append(within(self, ticks, query, parameters))  # type: ignore[arg-type]
        return asked[-1]

    monkeypatch.setattr(Reading, "all_within", watched)
    page = await browser.first_page(snapshot, view)
    assert asked == [None]
    assert page == list(await browser.ids(snapshot, view))
    assert len(page) == 1


async def steps(
    browser: CandidateBrowser, snapshot: Snapshot, view: View, patch: pytest.MonkeyPatch
) -> int:
    """Thousands of steps of SQLite's machine that a first page takes."""
    ticks = 0
    tick = Reading._tick

    def counted(self: Reading) -> bool:
        nonlocal ticks
        ticks += 1
        return tick(self)

    with patch.context() as patched:
        patched.setattr("s3gc_core.judgement.read_lane.TICK", 1_000)
        patched.setattr(Reading, "_tick", counted)
        await browser.first_page(snapshot, view)
    return ticks


# --- lines, candidates, keys ------------------------------------------------------------------


async def test_lines_name_the_layer_that_does_not_let_go(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    doubtful = Judged(listed("d", size=4), HELD, layers(), ("storage class",))
    finished_scan(
        tmp_path,
        [
            candidate("o", 1),
            candidate("k", 2, verdict=KEEP),
            candidate("h", 3, verdict=HELD),
            doubtful,
        ],
    )
    snapshot = await opened(browser)
    rows = await browser.rows(snapshot, [4, 99, 2, 3, 1])
    assert [row and (row.id, row.key, row.size, row.verdict, row.layer) for row in rows] == [
        (4, "d", 4, HELD, "doubt"),
        None,
        (2, "k", 2, KEEP, "retention"),
        (3, "h", 3, HELD, "database"),
        (1, "o", 1, ORPHAN, None),
    ]
    assert rows[0] is not None
    assert scan_tables.time_of(rows[0].modified) == doubtful.object.last_modified
    assert await browser.candidate(snapshot, 4) == doubtful
    assert await browser.candidate(snapshot, 99) is None
    assert await browser.find(snapshot, "k") == 2
    assert await browser.find(snapshot, "K") is None
    assert [page async for page in browser.keys(snapshot, [3, 1])] == [["h", "o"]]
    assert [page async for page in browser.orphans_among(snapshot, [2, 1, 4])] == [[(1, 1)]]


async def test_ids_of_another_scan_have_no_lines(browser: CandidateBrowser, tmp_path: Path) -> None:
    finished_scan(tmp_path, [candidate("f/old")])
    snapshot = await opened(browser)
    finished_scan(tmp_path, [candidate("f/new")], "S2")
    assert [row and row.key for row in await browser.rows(snapshot, [1, 2])] == ["f/old", None]
    assert await browser.candidate(snapshot, 2) is None
    assert [page async for page in browser.orphans_among(snapshot, [1, 2])] == [[(1, 10)]]
    with pytest.raises(ScanGone):
        [page async for page in browser.keys(snapshot, [2])]
    folders = await browser.folders(snapshot, [1, 2, 3, 4])
    assert [folder and folder.prefix for folder in folders] == ["f/", "", None, None]


async def test_marked_keys_come_whole_or_not_at_all(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    finished_scan(tmp_path, [candidate("a"), candidate("b")])
    snapshot = await opened(browser)
    with pytest.raises(ScanGone, match="1 objects were listed again"):
        [page async for page in browser.keys(snapshot, [1, 2, 3])]


def test_ids_far_from_zero_take_four_bytes_each() -> None:
    base = 1 << 40
    vector = IdVector(base, [base + 3, base, base + (1 << 32) - 1])
    assert list(vector) == [base + 3, base, base + (1 << 32) - 1]
    assert vector[1:] == [base, base + (1 << 32) - 1]
    assert vector.position(base) == 1
    assert vector.position(base + 1) is None
    assert vector._offsets.itemsize == 4


# --- the tree ---------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some=candidates, sort=sorts)
def test_the_tree_holds_every_candidate_once(
    tmp_path_factory: pytest.TempPathFactory, some: list[Judged], sort: Sort
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    finished_scan(folder, some)
    by_key = {one.object.key: one for one in some}

    async def walk(browser: CandidateBrowser, snapshot: Snapshot, prefix: str) -> list[str]:
        children = await browser.children(snapshot, prefix, sort)
        rows = await browser.rows(snapshot, children.objects)
        direct = [row.key for row in rows if row is not None]
        own = [one for one in some if one.object.key in set(direct)]
        assert direct == slowly(own, View(NOW, sort=sort))
        inside = list(direct)
        for found in await browser.folders(snapshot, children.folders):
            assert found is not None
            assert found == await browser.folder(snapshot, found.prefix)
            below = await walk(browser, snapshot, found.prefix)
            judged = [by_key[key] for key in below]
            assert found.objects == len(below)
            assert found.bytes == sum(one.object.size for one in judged)
            assert found.orphans == sum(one.verdict is ORPHAN for one in judged)
            oldest = min(one.object.last_modified for one in judged)
            assert scan_tables.time_of(found.oldest) == oldest
            inside += below
        return inside

    async def compare() -> None:
        browser = CandidateBrowser(folder)
        try:
            assert sorted(await walk(browser, await opened(browser), "")) == sorted(by_key)
        finally:
            await browser.close()

    asyncio.run(compare())
    shutil.rmtree(folder)


async def test_below_the_deepest_folder_all_lies_directly(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    finished_scan(tmp_path, [candidate("/" * 70 + "x"), candidate("/" * 64 + "y")])
    snapshot = await opened(browser)
    for depth in range(MAXIMUM_DEPTH + 1):
        children = await browser.children(snapshot, "/" * depth, Sort())
        deepest = depth == MAXIMUM_DEPTH
        assert (len(children.folders), len(children.objects)) == ((0, 2) if deepest else (1, 0))


async def test_folders_come_in_the_order_asked_for(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    day = timedelta(days=1)
    finished_scan(
        tmp_path,
        [
            candidate("a/1", 5, day),
            candidate("b/1", 1, 3 * day),
            candidate("b/2", 1, day, KEEP),
            candidate("c/1", 9, 2 * day, KEEP),
            candidate("z", 7),
        ],
    )
    snapshot = await opened(browser)

    async def order(column: Column, descending: bool) -> str:
        children = await browser.children(snapshot, "", Sort(column, descending))
        assert len(children.objects) == 1
        folders = await browser.folders(snapshot, children.folders)
        return "".join(f.prefix[0] for f in folders if f is not None)

    assert [await order(column, False) for column in Column] == ["abc", "bac", "acb", "cab"]
    assert [await order(column, True) for column in Column] == ["cba", "cab", "bca", "abc"]


async def test_a_running_scan_has_no_tree_yet(browser: CandidateBrowser, tmp_path: Path) -> None:
    with writing(tmp_path) as connection:
        begin(connection, "S1")
        add(connection, "S1", [candidate("a/b")])
        children = await browser.children(await opened(browser), "", Sort())
    assert (len(children.folders), len(children.objects)) == (0, 0)


# --- snapshots ----------------------------------------------------------------------------------


async def test_before_the_first_scan_there_is_nothing(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    assert await browser.open() is None
    sqlite3.connect(tmp_path / "catalogue.db").close()
    assert await browser.open() is None
    with writing(tmp_path) as connection:
        assert await browser.open() is None
        begin(connection, "S1")
        snapshot = await opened(browser)
        assert (snapshot.scan_id, snapshot.partial, snapshot.began_at) == ("S1", True, NOW)
        assert await browser.first_page(snapshot, View(NOW)) == []
        assert await browser.open("S2") is None


async def test_the_last_finished_scan_is_preferred(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    with writing(tmp_path) as connection:
        begin(connection, "S1")
        add(connection, "S1", [candidate("a")])
        running = await opened(browser)
        assert (running.scan_id, running.partial) == ("S1", True)
        finish(connection, "S1")
        begin(connection, "S2")
        add(connection, "S2", [candidate("a"), candidate("b")])
        last = await opened(browser)
        assert (last.scan_id, last.partial, last.summary) == ("S1", False, b"{}")
        assert await keys_of(browser, last, View(NOW)) == ["a"]
        named = await opened(browser, "S2")
        assert (named.scan_id, named.partial) == ("S2", True)
        assert await keys_of(browser, named, View(NOW)) == ["a", "b"]


async def test_a_snapshot_of_a_running_scan_does_not_move(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    with writing(tmp_path) as connection:
        begin(connection, "S1")
        add(connection, "S1", [candidate("b"), candidate("d")])
        snapshot = await opened(browser)
        assert await browser.newer(snapshot) is None
        add(connection, "S1", [candidate("a"), candidate("c"), candidate("d", 99)])
        for sort in (Sort(column, down) for column in Column for down in (False, True)):
            assert await keys_of(browser, snapshot, View(NOW, sort=sort)) == ["b"]
        # `d` was listed twice, and its line replaced.
        assert [row and row.key for row in await browser.rows(snapshot, [1, 2])] == ["b", None]
        assert await browser.find(snapshot, "c") is None
        assert (await browser.totals(snapshot, CandidateFilter(), NOW)).objects == 1
        assert await browser.newer(snapshot) == Newer("S1", 3, True)
        finish(connection, "S1")
        assert await browser.newer(snapshot) == Newer("S1", 3, False)
        assert await browser.newer(await opened(browser)) is None


async def test_newer_scans_are_told_of(browser: CandidateBrowser, tmp_path: Path) -> None:
    finished_scan(tmp_path, [candidate("a")])
    snapshot = await opened(browser)
    with writing(tmp_path) as connection:
        begin(connection, "S2")
        assert await browser.newer(snapshot) is None
        add(connection, "S2", [candidate("a"), candidate("b")])
        assert await browser.newer(snapshot) == Newer("S2", 2, True)
        finish(connection, "S2")
        begin(connection, "S3")
        add(connection, "S3", [candidate("c")])
        assert await browser.newer(snapshot) == Newer("S2", 2, False)


async def everything(browser: CandidateBrowser, snapshot: Snapshot) -> list[object]:
    """What each way of asking answers: a result, or the class of its error."""
    view = View(NOW)
    calls = [
        browser.first_page(snapshot, view),
        browser.ids(snapshot, view),
        browser.totals(snapshot, view.filter, NOW),
        browser.rows(snapshot, [1]),
        browser.candidate(snapshot, 1),
        browser.find(snapshot, "a"),
        browser.children(snapshot, "", Sort()),
        browser.folders(snapshot, [1]),
        browser.folder(snapshot, ""),
        browser.newer(snapshot),
        anext(browser.orphans(snapshot, view.filter, NOW)),
        anext(browser.orphans_among(snapshot, [1])),
        anext(browser.keys(snapshot, [1])),
    ]
    answers: list[object] = []
    for call in calls:
        try:
            answers.append(await call)
        except ScanGone as gone:
            answers.append(type(gone))
    return answers


async def test_nothing_is_read_of_a_scan_that_is_no_longer_kept(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    finished_scan(tmp_path, [candidate("a")])
    snapshot = await opened(browser)
    assert ScanGone not in await everything(browser, snapshot)
    for number in (2, 3, 4):
        finished_scan(tmp_path, [candidate("other")], f"S{number}")
    assert set(map(str, await everything(browser, snapshot))) == {str(ScanGone)}


async def test_ids_of_a_rebuilt_catalogue_are_not_taken_for_those_of_the_old_one(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    finished_scan(tmp_path, [candidate("a")])
    snapshot = await opened(browser)
    await browser.ids(snapshot, View(NOW))
    for file in tmp_path.glob("catalogue.db*"):
        file.unlink()
    assert set(map(str, await everything(browser, snapshot))) == {str(ScanGone)}
    assert await browser.open() is None
    # Same number, same ids, another scan.
    finished_scan(tmp_path, [candidate("other")], "S9")
    assert set(map(str, await everything(browser, snapshot))) == {str(ScanGone)}
    assert await keys_of(browser, await opened(browser), View(NOW)) == ["other"]


async def test_garbage_is_an_error_and_not_an_empty_list(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    (tmp_path / "catalogue.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(VaultUnreachable, match="not a database"):
        await browser.open()


# --- beside a writer ------------------------------------------------------------------------------


async def test_reader_and_writer_do_not_wait_for_each_other(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    finished_scan(tmp_path, [candidate(f"{n}") for n in range(100)])
    snapshot = await opened(browser)
    with writing(tmp_path) as connection:
        connection.execute("PRAGMA busy_timeout = 0")
        begin(connection, "S2")
        connection.execute("BEGIN IMMEDIATE")
        scan_tables.add_candidates(connection, "S2", [candidate("new")])
        # Uncommitted: the reader reads on, and does not see it.
        assert len(await browser.ids(snapshot, View(NOW))) == 100
        assert await browser.newer(snapshot) is None
        connection.execute("COMMIT")
        for n in range(50):
            reads = asyncio.gather(
                browser.ids(snapshot, View(NOW)), browser.rows(snapshot, range(1, 101))
            )
            # Raises "database is locked" at once if a reader were in its way.
            add(connection, "S2", [candidate(f"{n}-{m}") for m in range(20)])
            vector, rows = await reads
            assert len(vector) == 100
            assert None not in rows
    with pytest.raises(VaultUnreachable, match="readonly"):
        await browser._pages.run(lambda reading: reading.execute("DELETE FROM scan"))


async def test_a_cancelled_read_ends_and_the_next_goes_on(
    browser: CandidateBrowser, tmp_path: Path
) -> None:
    finished_scan(tmp_path, [candidate("a")])
    snapshot = await opened(browser)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n"
    task = asyncio.create_task(browser._whole.run(lambda reading: reading.execute(endless)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        assert list(await browser.ids(snapshot, View(NOW))) == [1]


async def test_closing_ends_what_runs(tmp_path: Path) -> None:
    finished_scan(tmp_path, [candidate("a")])
    browser = CandidateBrowser(tmp_path)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n"
    task = asyncio.create_task(browser._whole.run(lambda reading: reading.execute(endless)))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(10):
        await browser.close()
        with pytest.raises(asyncio.CancelledError):
            await task
