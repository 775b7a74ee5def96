"""Uploads in progress: all of them are listed, by their true keys, and hold their objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from s3gc_core.bucket import Bucket, StoreFailed, UploadInProgress
from s3gc_core.config import Config
from s3gc_core.errors import RightMissing
from tests.core.bucket import plain_client
from tests.core.judgement.controlled import planned, put, rows
from tests.world import World

ODD = "a b+c/ä%41&<é>.bin"


async def begun(config: Config, *keys: str) -> None:
    async with plain_client(config) as s3:
        for key in keys:
            await s3.create_multipart_upload(Bucket=config.bucket, Key=key)


async def test_uploads_in_progress_are_listed(bucket: Bucket, bucket_config: Config) -> None:
    assert [page async for page in bucket.upload_pages()] in ([], [[]])
    keys = [ODD, "twice", "twice", "x"]
    await begun(bucket_config, *keys)
    found = [upload async for page in bucket.upload_pages() for upload in page]
    assert sorted(upload.key for upload in found) == sorted(keys)
    assert all(abs(upload.began_at - datetime.now(UTC)) < timedelta(minutes=1) for upload in found)


class Answers:
    """A store's answers one after the other, and what it was asked."""

    def __init__(self, *answers: dict[str, object]) -> None:
        self.left = list(answers)
        self.asked: list[dict[str, object]] = []

    async def __call__(self, **request: object) -> dict[str, object]:
        self.asked.append({k: v for k, v in request.items() if "Marker" in k})
        return self.left.pop(0)


async def listed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, answers: Answers) -> list[str]:
    monkeypatch.setattr(bucket.connection.s3, "list_multipart_uploads", answers)
    return [upload.key async for page in bucket.upload_pages() for upload in page]


def page(key: str, **more: object) -> dict[str, object]:
    return {"Uploads": [{"Key": key, "Initiated": datetime.now(UTC)}], **more}


async def test_every_page_is_asked_for(aws_like: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"IsTruncated": True}
    answers = Answers(
        page("a b", **more, NextKeyMarker="a b", NextUploadIdMarker="1"),
        page("a b", **more, NextKeyMarker="a b", NextUploadIdMarker="2"),
        page("a b", IsTruncated=False),
    )
    assert await listed(aws_like, monkeypatch, answers) == ["a b"] * 3
    assert answers.asked == [
        {},
        {"KeyMarker": "a b", "UploadIdMarker": "1"},
        {"KeyMarker": "a b", "UploadIdMarker": "2"},
    ]


@pytest.mark.parametrize("marker", [{}, {"NextKeyMarker": "a", "NextUploadIdMarker": "1"}])
async def test_a_listing_that_does_not_end_is_none(
    aws_like: Bucket, monkeypatch: pytest.MonkeyPatch, marker: dict[str, object]
) -> None:
    answers = Answers(*[page("a", IsTruncated=True, **marker)] * 2)
    with pytest.raises(StoreFailed, match="not where"):
        await listed(aws_like, monkeypatch, answers)


async def test_without_the_right_nothing_is_supposed(
    aws_like: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    async def refused(status: int, code: str) -> list[str]:
        async def answer(**_: object) -> dict[str, object]:
            raise ClientError(
                {
                    "Error": {"Code": code},
                    "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
                },
                "ListMultipartUploads",
            )

        monkeypatch.setattr(aws_like.connection.s3, "list_multipart_uploads", answer)
        return [upload.key async for page in aws_like.upload_pages() for upload in page]

    with pytest.raises(RightMissing, match="s3:ListBucketMultipartUploads"):
        await refused(403, "AccessDenied")
    assert await refused(501, "NotImplemented") == []


async def test_an_upload_in_progress_holds_the_object_at_its_key(sqlite_world: World) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, ODD, "orphan")
    await begun(world.config, ODD, "nothing there yet")
    world.days(10)
    summary = await world.scan()
    assert summary.blocked == []
    assert await planned(world, summary) == {"orphan"}
    assert await world.verdicts() == {ODD: "held", "orphan": "orphan"}
    assert "is in progress since" in (await world.judged())[ODD].reason
    async with plain_client(world.config) as s3:
        uploads = (await s3.list_multipart_uploads(Bucket=world.config.bucket))["Uploads"]
        for upload in uploads:
            await s3.abort_multipart_upload(
                Bucket=world.config.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )
    assert await planned(world, await world.scan()) == {ODD, "orphan"}


class Parts(Answers):
    """A store's answers about the parts of one upload."""

    async def __call__(self, **request: object) -> dict[str, object]:
        self.asked.append(request)
        return self.left.pop(0)


def part(*sizes: int, **more: object) -> dict[str, object]:
    return {"Parts": [{"Size": size} for size in sizes], **more}


async def measured(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, answers: object) -> int | None:
    monkeypatch.setattr(bucket.connection.s3, "list_parts", answers)
    return await bucket.upload_bytes(UploadInProgress("a b", datetime.now(UTC), "U1"))


async def test_parts_are_added_up_over_all_pages(
    aws_like: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Parts(part(5, 6, IsTruncated=True, NextPartNumberMarker=2), part(7))
    assert await measured(aws_like, monkeypatch, answers) == 18
    assert [asked.get("PartNumberMarker") for asked in answers.asked] == [None, 2]
    assert {asked["UploadId"] for asked in answers.asked} == {"U1"}
    for marker in ({}, {"NextPartNumberMarker": 0}):
        with pytest.raises(StoreFailed, match="not where"):
            await measured(aws_like, monkeypatch, Parts(part(5, IsTruncated=True, **marker)))


@pytest.mark.parametrize("status", [403, 404, 501])
async def test_parts_that_are_not_told_are_not_known(
    aws_like: Bucket, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    from botocore.exceptions import ClientError

    async def refuse(**_: object) -> dict[str, object]:
        raise ClientError(
            {
                "Error": {"Code": "AsItMayBe"},
                "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
            },
            "ListParts",
        )

    assert await measured(aws_like, monkeypatch, refuse) is None
