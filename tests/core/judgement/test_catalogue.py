"""The catalogue on a real file: pages, prefixes, duplicates, plans and what is kept of them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from s3gc_core.bucket import ListedObject
from s3gc_core.errors import NoSuchKey
from s3gc_core.judgement import (
    Catalogue,
    Judged,
    LayerVerdict,
    ObjectVerdict,
    Plan,
    PlanItem,
    Verdict,
    plan_tables,
    scan_tables,
)
from s3gc_core.references import Found, key_hash
from tests.core.judgement.evidence import NOW, layers, listed, plan

ORPHAN = ObjectVerdict.ORPHAN
HELD = ObjectVerdict.HELD
KEEP = ObjectVerdict.KEEP


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[Catalogue]:
    opened = await Catalogue.open(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for tables in (scan_tables, plan_tables):
        monkeypatch.setattr(tables, "PAGE", 3)


async def unreferenced(catalogue: Catalogue, objects: Sequence[ListedObject]) -> None:
    """List objects that no row refers to."""
    await catalogue.add_listing(objects)
    await catalogue.add_unreferenced(await catalogue.hash_page(0))


async def judged(
    catalogue: Catalogue,
    keys: Sequence[str],
    verdict: ObjectVerdict = ORPHAN,
    scan_id: str = "S1",
    size: int = 10,
) -> None:
    """Make candidates of a scan with a verdict."""
    objects = [listed(key, size=size) for key in keys]
    await catalogue.add_candidates(scan_id, [Judged(one, verdict, layers(), ()) for one in objects])


async def candidate_keys(
    catalogue: Catalogue, verdict: ObjectVerdict | None = None, prefix: str = ""
) -> list[str]:
    pages = catalogue.candidates("S1", verdict=verdict, prefix=prefix)
    return [one.object.key async for page in pages for one in page]


async def items(catalogue: Catalogue, plan_id: str) -> list[PlanItem]:
    return [item async for page in catalogue.plan_items(plan_id) for item in page]


@pytest.mark.usefixtures("small_pages")
async def test_a_listing_comes_back_whole_in_pages(catalogue: Catalogue) -> None:
    await catalogue.begin_scan("S1", NOW)
    objects = [listed(f"k{n}", size=n, storage_class="GLACIER") for n in (5, 3, 4, 1, 2, 0, 6)]
    await catalogue.add_listing(objects[:5])
    await catalogue.add_listing(objects[5:])
    hashes: list[int] = []
    after, sizes = 0, []
    while page := await catalogue.hash_page(after):
        after = page[-1][0]
        sizes.append(len(page))
        hashes += [h for _, h in page]
        # Every other one: those whose number is even are referenced.
        await catalogue.add_unreferenced([row for row in page if row[0] % 2])
    assert hashes == [key_hash(one.key) for one in objects]
    assert sizes == [3, 3, 1]
    found: list[ListedObject] = []
    after = 0
    while True:
        some, _, after = await catalogue.unjudged_page(after)
        if not some:
            break
        found += some
    assert found == objects[::2]
    await catalogue.begin_scan("S2", NOW)
    assert await catalogue.hash_page(0) == []
    assert await catalogue.unjudged_page(0) == ([], [], 0)


@pytest.mark.usefixtures("small_pages")
async def test_candidates_come_by_key_in_pages(catalogue: Catalogue) -> None:
    await catalogue.begin_scan("S1", NOW)
    keys = ["b", "a", "B", "a/1", "a/10", "a/2", "\u00e9", "\U0001f5d1", "\uffee", "a b", "~"]
    await judged(catalogue, keys)
    assert await candidate_keys(catalogue) == sorted(keys, key=str.encode)
    pages = [page async for page in catalogue.candidates("S1")]
    assert [len(page) for page in pages] == [3, 3, 3, 2]


async def test_what_was_concluded_comes_back_as_it_was(catalogue: Catalogue) -> None:
    await catalogue.begin_scan("S1", NOW)
    concluded = [
        Judged(listed("a"), ORPHAN, layers(), ()),
        Judged(
            listed("b", storage_class="GLACIER", etag='"\u00e9-2"'),
            HELD,
            layers(registry=LayerVerdict(Verdict.UNKNOWN, "a reason \u2603")),
            ("one", "two"),
        ),
    ]
    assert [page async for page in catalogue.candidates("S1")] == []
    await catalogue.add_candidates("S1", concluded)
    assert [page async for page in catalogue.candidates("S1")] == [concluded]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("prefix", "matching"),
    [
        ("", ["%", "100%/a", "100%_b", "1000/a", "A/x", "a.b", "a/x", "a_b", "axb", "\u00e9/1"]),
        ("100%", ["100%/a", "100%_b"]),
        ("100%_", ["100%_b"]),
        ("%", ["%"]),
        ("a_", ["a_b"]),
        ("a.", ["a.b"]),
        ("a", ["a.b", "a/x", "a_b", "axb"]),
        ("A", ["A/x"]),
        ("a/x", ["a/x"]),
        ("a/x/", []),
        ("\u00e9", ["\u00e9/1"]),
        ("e", []),
        ("_", []),
        ("[a]", []),
        ("'", []),
    ],
)
async def test_a_prefix_is_compared_exactly(
    catalogue: Catalogue, prefix: str, matching: list[str]
) -> None:
    await catalogue.begin_scan("S1", NOW)
    keys = ["100%/a", "100%_b", "1000/a", "%", "a_b", "axb", "a.b", "A/x", "a/x", "\u00e9/1"]
    await judged(catalogue, keys)
    assert await candidate_keys(catalogue, prefix=prefix) == matching


async def test_verdicts_and_totals(catalogue: Catalogue) -> None:
    await catalogue.begin_scan("S1", NOW)
    assert await catalogue.totals("S1") == {}
    await judged(catalogue, ["o1", "o2"], ORPHAN, size=1 << 40)
    await judged(catalogue, ["h"], HELD, size=0)
    await judged(catalogue, ["k1", "k2", "k3"], KEEP, size=7)
    assert await catalogue.totals("S1") == {"orphan": (2, 1 << 41), "held": (1, 0), "keep": (3, 21)}
    assert await candidate_keys(catalogue, ORPHAN) == ["o1", "o2"]
    assert await candidate_keys(catalogue, HELD) == ["h"]
    assert await candidate_keys(catalogue, KEEP, "k2") == ["k2"]
    assert await catalogue.totals("S2") == {}


async def test_a_key_listed_twice_is_one_candidate(catalogue: Catalogue) -> None:
    """Stores do that when an object is overwritten while they list; the later entry counts."""
    await catalogue.begin_scan("S1", NOW)
    first, later = listed("a", etag='"old"', size=1), listed("a", etag='"new"', size=2)
    concluded = [Judged(one, ORPHAN, layers(), ()) for one in (first, listed("b"), later)]
    await catalogue.add_candidates("S1", concluded[:2])
    await catalogue.add_candidates("S1", concluded[2:])
    assert [page async for page in catalogue.candidates("S1")] == [[concluded[2], concluded[1]]]
    assert await catalogue.totals("S1") == {"orphan": (2, 12)}
    made = await catalogue.create_plan(plan())
    assert [(i.key, i.etag) for i in await items(catalogue, made.plan_id)] == [
        ("a", '"new"'),
        ("b", '"e1"'),
    ]


@pytest.mark.usefixtures("small_pages")
async def test_hits_come_with_the_objects_they_are_about(catalogue: Catalogue) -> None:
    await catalogue.begin_scan("S1", NOW)
    await catalogue.add_listing([listed(f"k{n}") for n in range(5)])
    first = await catalogue.hash_page(0)
    await catalogue.add_unreferenced([*first, *await catalogue.hash_page(first[-1][0])])
    hit = [Found(key_hash("k1"), "s", 1), Found(key_hash("k1"), "s", "1")]
    other = [Found(key_hash("k4"), "t", 2), Found(key_hash("elsewhere"), "t", 3)]
    await catalogue.add_hits(hit)
    await catalogue.add_hits([*hit, *other])
    seen: list[str] = []
    found: list[Found] = []
    after = 0
    while True:
        page, hits, after = await catalogue.unjudged_page(after)
        if not page:
            break
        assert {f.hash for f in hits} <= {key_hash(one.key) for one in page}
        seen += [one.key for one in page]
        found += hits
    assert seen == [f"k{n}" for n in range(5)]
    assert len(found) == 3
    assert set(found) == {*hit, other[0]}
    await catalogue.begin_scan("S2", NOW)
    await unreferenced(catalogue, [listed("k1")])
    assert await catalogue.unjudged_page(0) == ([listed("k1")], [], 1)


async def test_wanted_are_the_hashes_of_unreferenced_objects(catalogue: Catalogue) -> None:
    await catalogue.begin_scan("S1", NOW)
    await catalogue.add_listing([listed("c")])
    await catalogue.begin_scan("S2", NOW)
    await unreferenced(catalogue, [listed("a"), listed("b")])
    asked = [key_hash(key) for key in ("a", "b", "c")]
    assert await catalogue.wanted(asked) == set(asked[:2])
    assert await catalogue.wanted([]) == set()


async def test_a_plan_freezes_the_orphans_of_its_scan(catalogue: Catalogue) -> None:
    await catalogue.begin_scan("S1", NOW)
    await judged(catalogue, ["b", "a"], ORPHAN, size=5)
    await judged(catalogue, ["held"], HELD)
    await judged(catalogue, ["kept"], KEEP)
    await catalogue.begin_scan("S2", NOW)
    await judged(catalogue, ["later"], ORPHAN, "S2")
    made = await catalogue.create_plan(plan(objects=0, bytes=0, sha256=""))
    assert (made.objects, made.bytes, made.confirmation) == (2, 10, "photos 2")
    assert await catalogue.plan("P1") == made
    assert await catalogue.plan("P2") is None
    assert await catalogue.recompute_sha256(made) == made.sha256
    assert [item.key for item in await items(catalogue, "P1")] == ["a", "b"]
    # What happens to the candidates afterwards is nothing to the plan.
    await judged(catalogue, ["c"], ORPHAN)
    await judged(catalogue, ["a"], KEEP)
    assert [item.key for item in await items(catalogue, "P1")] == ["a", "b"]
    assert await catalogue.recompute_sha256(made) == made.sha256


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("prefixes", "keys", "selected"),
    [
        ((), frozenset(), ["a/1", "a/2", "a%", "b/1", "b/2"]),
        (("a/",), frozenset(), ["a/1", "a/2"]),
        (("a%",), frozenset(), ["a%"]),
        ((), frozenset({"b/2", "no such key"}), ["b/2"]),
        (("a/",), frozenset({"b/2"}), ["a/1", "a/2", "b/2"]),
    ],
)
async def test_a_part_of_a_plan_is_a_plan(
    catalogue: Catalogue, prefixes: tuple[str, ...], keys: frozenset[str], selected: list[str]
) -> None:
    await catalogue.begin_scan("S1", NOW)
    await judged(catalogue, ["a/1", "a/2", "a%", "b/1", "b/2"])
    parent = await catalogue.create_plan(plan())
    part = await catalogue.select_plan(parent, "P2", prefixes, keys)
    found = await items(catalogue, "P2")
    assert {item.key for item in found} == set(selected)
    assert found == [item for item in await items(catalogue, "P1") if item.key in selected]
    assert part == msgspec.structs.replace(
        parent,
        plan_id="P2",
        parent="P1",
        objects=len(selected),
        bytes=10 * len(selected),
        sha256=part.sha256,
    )
    assert part.sha256 != parent.sha256
    assert await catalogue.recompute_sha256(part) == part.sha256
    assert await catalogue.plan("P1") == parent
    assert await catalogue.plans() == [part, parent]


async def test_a_part_that_holds_nothing_is_no_plan(catalogue: Catalogue) -> None:
    await catalogue.begin_scan("S1", NOW)
    await judged(catalogue, ["a/1"])
    parent = await catalogue.create_plan(plan())
    with pytest.raises(NoSuchKey):
        await catalogue.select_plan(parent, "P2", ("x",), frozenset())
    assert await catalogue.plans() == [parent]


def _as_blob(old: str, new: str) -> str:
    return f"CAST(replace(CAST(item AS TEXT), '{old}', '{new}') AS BLOB)"


A_KEY, C_KEY = '"a"', '"c"'
TAMPERING = {
    "an item's ETag": (f"UPDATE plan_item SET item = {_as_blob('e1', 'e9')} WHERE key = 'b'"),
    "an item is gone": "DELETE FROM plan_item WHERE key = 'a'",
    "another item": (
        f"INSERT INTO plan_item SELECT plan_id, 'c', {_as_blob(A_KEY, C_KEY)}"
        " FROM plan_item WHERE key = 'a'"
    ),
    "another order": "UPDATE plan_item SET key = 'z' WHERE key = 'a'",
}


@pytest.mark.parametrize("change", TAMPERING.values(), ids=list(TAMPERING))
async def test_any_change_of_a_stored_plan_shows(
    catalogue: Catalogue, tmp_path: Path, change: str
) -> None:
    await catalogue.begin_scan("S1", NOW)
    await judged(catalogue, ["a", "b"])
    made = await catalogue.create_plan(plan())
    with closing(sqlite3.connect(tmp_path / "catalogue.db")) as file:
        assert file.execute(change).rowcount >= 1
        file.commit()
    assert await catalogue.recompute_sha256(made) != made.sha256


async def test_the_last_finished_scan(catalogue: Catalogue) -> None:
    assert await catalogue.last_scan() is None
    await catalogue.begin_scan("S1", NOW)
    assert await catalogue.last_scan() is None
    await catalogue.finish_scan("S1", b'{"n": 1}')
    await catalogue.begin_scan("S2", NOW + timedelta(days=1))
    assert await catalogue.last_scan() == ("S1", b'{"n": 1}')
    await catalogue.finish_scan("S2", b'{"n": 2}')
    assert await catalogue.last_scan() == ("S2", b'{"n": 2}')


async def test_old_scans_and_plans_go(catalogue: Catalogue, tmp_path: Path) -> None:
    made: list[Plan] = []
    for n in range(60):
        scan_id = f"S{n:02}"
        await catalogue.begin_scan(scan_id, NOW)
        await judged(catalogue, [f"k{n}"], scan_id=scan_id)
        await catalogue.add_folders(scan_id)
        made.append(await catalogue.create_plan(plan(plan_id=f"P{n:02}", scan_id=scan_id)))
    # One more came after the last clean-up.
    assert await catalogue.plans() == made[:8:-1]
    with closing(sqlite3.connect(tmp_path / "catalogue.db")) as file:
        scans = {
            row[0]
            for row in file.execute("SELECT scan_id FROM candidate JOIN scan ON scan = number")
        }
        leftover = [
            file.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("candidate", "conclusion", "folder")
        ]
        planned = {row[0] for row in file.execute("SELECT plan_id FROM plan_item")}
    assert scans == {"S57", "S58", "S59"}
    assert leftover == [3, 3, 3]
    assert planned == {one.plan_id for one in made[9:]}


async def test_a_catalogue_survives_being_closed(tmp_path: Path) -> None:
    first = await Catalogue.open(tmp_path)
    await first.begin_scan("S1", NOW)
    await judged(first, ["a"])
    made = await first.create_plan(plan())
    await first.close()
    again = await Catalogue.open(tmp_path)
    assert await again.plan("P1") == made
    assert await again.recompute_sha256(made) == made.sha256
    assert await candidate_keys(again) == ["a"]
    await again.close()
