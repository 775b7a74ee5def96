"""What orphans cost, where they came from, and at which rate new ones come: sums, exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from s3gc_core.bucket import ListedObject
from s3gc_core.config import PRICES
from s3gc_core.judgement import LEAK_WINDOW, Report, UnfinishedUploads, UploadSum
from s3gc_core.judgement.report import Leak, Sum

END = datetime(2026, 11, 1, tzinfo=UTC)
GIB = 1 << 30
LONG_AGO = END - timedelta(days=400)


def orphan(
    key: str, size: int = 1, modified: datetime = LONG_AGO, storage_class: str = "STANDARD"
) -> ListedObject:
    return ListedObject(key, size, '"e"', modified, storage_class)


def test_money_by_class_and_by_who_held_them_last() -> None:
    report = Report(PRICES | {"GLACIER_IR": 1.0}, END)
    report.add([(orphan("a/1", 2 * GIB), "main:users.avatar", LONG_AGO)])
    report.add(
        [
            (orphan("a/2", GIB, storage_class="GLACIER_IR"), None, None),
            (orphan("a/3", GIB, storage_class="of another store"), None, None),
        ]
    )
    assert report.total == Sum(3, 4 * GIB, 3 * 0.023 + 1.0)
    assert report.classes == {
        "STANDARD": Sum(1, 2 * GIB, 2 * 0.023),
        "GLACIER_IR": Sum(1, GIB, 1.0),
        # Not known: taken for the class that costs most of the usual ones.
        "of another store": Sum(1, GIB, 0.023),
    }
    assert report.origins == {
        "main:users.avatar": Sum(1, 2 * GIB, 2 * 0.023),
        None: Sum(2, 2 * GIB, 0.023 + 1.0),
    }
    assert report.leaks == {}


def test_requests_are_a_listing_and_each_orphan_once() -> None:
    report = Report({"STANDARD": 0.0, "LIST": 5.0, "GET": 2.0, "DELETE": 1.0}, END)
    report.add([(orphan(str(n)), None, None) for n in range(10)])
    assert report.requests_cost(2_001) == (3 * 5.0 + 10 * 3.0) / 1_000


def test_what_became_an_orphan_within_the_window_is_a_leak() -> None:
    report = Report(PRICES, END)
    first, before = END - LEAK_WINDOW + timedelta(seconds=1), END - LEAK_WINDOW
    late = END + timedelta(seconds=1)
    report.add(
        [
            # Of an old object it counts when the last row went.
            (orphan("users/a/1", 5), "main:users.avatar", END),
            (orphan("users/b/2", 6, first), None, None),
            (orphan("top", 7, END), None, None),
            (orphan("users/old", 1, before), None, None),
            (orphan("users/late", 1, late), None, None),
            (orphan("users/older", 1, END), "main:users.avatar", before),
        ]
    )
    assert report.leaks == {"users/": Leak(2, 11), "": Leak(1, 7)}
    assert report.leaks["users/"].per_day == 2 / 30


def test_a_folder_for_each_user_does_not_fill_the_memory() -> None:
    report = Report(PRICES, END)
    report.add([(orphan(f"{n}/x", 1, END), None, None) for n in range(10_005)])
    assert len(report.leaks) == 10_001
    assert report.leaks["(other folders)"] == Leak(5, 5)


def test_unfinished_uploads_by_folder() -> None:
    found = UnfinishedUploads()
    found.add("a/1", END, 5)
    found.add("a/b/2", LONG_AGO, None)
    found.add("top", END, 7)
    assert found.total == UploadSum(3, 12, 1, LONG_AGO)
    assert found.folders == {"a/": UploadSum(2, 5, 1, LONG_AGO), "": UploadSum(1, 7, 0, END)}
    assert UnfinishedUploads() == UnfinishedUploads(UploadSum(0, 0, 0, None), {})
