"""`s3gc report`: money, leaks and origins of the last scan; and any list as CSV."""

from __future__ import annotations

import csv
import io
import json

from s3gc_core.bucket import Bucket
from tests.tui.small_world import LATER, SmallWorld, pieces


async def test_before_the_first_scan_there_is_nothing_to_report(small: SmallWorld) -> None:
    assert (await small.cli.batch("report")).code == 7


async def test_money_and_origins(small: SmallWorld) -> None:
    small.write_config(prices={"STANDARD": 1_000_000.0, "LIST": 1_000.0, "GET": 100.0})
    assert (await small.cli.batch("scan")).code == 0
    # One reference goes after the scan saw it; its object is an orphan once that is long ago.
    await small.world.app.execute("DELETE FROM users WHERE id = 1")
    small.world.days(1)
    await small.world.scan()
    small.world.days(LATER)
    await small.world.scan()
    ran = await small.cli.batch("report", days=LATER + 1)
    assert ran.code == 0
    assert [(r["name"], r["objects"], r["bytes"]) for r in ran.of("class")] == [
        ("STANDARD", 4, 3213)
    ]
    assert [(r["name"], r["objects"], r["bytes"]) for r in ran.of("origin")] == [
        (None, 3, 3210),
        ("main:users.avatar", 1, 3),
    ]
    assert [(r["prefix"], r["objects"], r["bytes"], r["per_day"]) for r in ran.of("leak")] == [
        ("gone/", 2, 210, 0.07),
        ("left/", 1, 3000, 0.03),
        ("used/", 1, 3, 0.03),
    ]
    told = ran.summary
    assert (told["orphans"], told["bytes"]) == (4, 3213)
    assert told["saved_per_month"] == 2.99
    # One page of the listing, and four reads.
    assert told["request_cost"] == 1.0 + 4 * 0.1
    assert told["noncurrent_versions"] is None


async def test_versions_are_counted_where_that_is_asked_for(small: SmallWorld) -> None:
    async with small.world.bucket() as bucket:
        await bucket.connection.s3.put_bucket_versioning(
            Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
        )
        await overwrite(bucket, "gone/a.txt", b"1234")
        await overwrite(bucket, "gone/a.txt", b"12")
        await bucket.connection.s3.delete_object(Bucket=bucket.name, Key="gone/a.txt")
    await small.planned()
    told = (await small.cli.batch("report", "--versions", days=LATER)).summary
    # The first body has ten bytes, and of the last one only the marker hides it.
    assert told["noncurrent_versions"] == 3
    assert told["noncurrent_bytes"] == 10 + 4 + 2
    assert told["delete_markers"] == 1


async def test_unfinished_uploads_are_counted_where_that_is_asked_for(small: SmallWorld) -> None:
    async with small.world.bucket() as bucket:
        for key, sizes in {"gone/a.txt": [5, 6], "gone/new.bin": [], "top": [7]}.items():
            s3 = bucket.connection.s3
            begun = await s3.create_multipart_upload(Bucket=bucket.name, Key=key)
            for number, size in enumerate(sizes, start=1):
                await s3.upload_part(
                    Bucket=bucket.name,
                    Key=key,
                    UploadId=begun["UploadId"],
                    PartNumber=number,
                    Body=b"x" * size,
                )
    await small.planned()
    assert (await small.cli.batch("report", days=LATER)).summary["unfinished_uploads"] is None
    ran = await small.cli.batch("report", "--uploads", days=LATER)
    assert [(r["prefix"], r["uploads"], r["bytes"]) for r in ran.of("unfinished-uploads")] == [
        ("gone/", 2, 11),
        ("", 1, 7),
    ]
    told = ran.summary
    assert (told["unfinished_uploads"], told["unfinished_bytes"]) == (3, 18)
    assert told["unfinished_unmeasured"] == 0
    assert told["oldest_upload"] == min(r["oldest"] for r in ran.of("unfinished-uploads"))
    plain = await small.cli("report", "--uploads", days=LATER)
    assert "2 unfinished uploads, 11 bytes, the oldest of 20" in plain.text


async def overwrite(bucket: Bucket, key: str, body: bytes) -> None:
    state = await bucket.head(key)
    assert state is not None
    await bucket.put(key, pieces(body), len(body), state.headers, if_match=state.etag)


async def test_a_list_as_csv(small: SmallWorld) -> None:
    async with small.world.bucket() as bucket:
        for key in ("=1+1", 'a "quoted", \x1b[31mred', "ünder"):
            headers = (await bucket.head("gone/a.txt")).headers  # type: ignore[union-attr]
            await bucket.put(key, pieces(b"x"), 1, headers)
    await small.planned()
    ran = await small.cli("--csv", "candidates", "--verdict", "orphan")
    assert ran.code == 0
    names, *rows = csv.reader(io.StringIO(ran.stdout.decode()))
    assert names[:3] == ["type", "key", "size"]
    assert {row[1] for row in rows} == {
        *("gone/a.txt", "gone/b.txt", "left/c.txt", "ünder"),
        *("'=1+1", 'a "quoted", \\x1b[31mred'),
    }
    layers = json.loads(rows[0][names.index("layers")])
    assert layers["exclusion"]["verdict"] == "pass"
    assert json.loads(ran.complaints.splitlines()[-1])["shown"] == 6
