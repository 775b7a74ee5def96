from __future__ import annotations

import re
from dataclasses import replace

import pytest

from s3gc_core.bucket import Bucket, DeleteAnswerWrong, DeleteOutcome, ObjectHeaders
from s3gc_core.bucket import deleting as deleting_module
from s3gc_core.bucket.deleting import SILENCE, backoff_seconds, read_answer
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from tests.conftest import MakeBucket
from tests.core.bucket import listed_keys, pieces, plain_client
from tests.servers.ministack import Ministack
from tests.servers.proxy import Exchange, running_proxy

WRONG = '"00000000000000000000000000000000"'
DELETED, CHANGED = DeleteOutcome.DELETED, DeleteOutcome.CHANGED
VANISHED, FAILED = DeleteOutcome.VANISHED, DeleteOutcome.FAILED


async def _put(bucket: Bucket, *keys: str) -> dict[str, str]:
    return {
        key: await bucket.put(key, pieces(key.encode()), len(key.encode()), ObjectHeaders())
        for key in keys
    }


async def _outcomes(bucket: Bucket, items: dict[str, str]) -> dict[str, DeleteOutcome]:
    results = await bucket.delete_batch(list(items.items()))
    return {key: result.outcome for key, result in results.items()}


async def _each_key_by_its_etag(bucket: Bucket, absent: DeleteOutcome = VANISHED) -> None:
    # Keys that end in white space go singly, the others in a batch: each case goes both ways.
    etags = await _put(bucket, "same", "changed", "same ", "changed ")
    new = await bucket.put("changed", pieces(b"new"), 3, ObjectHeaders(), if_match=etags["changed"])
    await bucket.put("changed ", pieces(b"new"), 3, ObjectHeaders(), if_match=etags["changed "])
    asked = etags | {"never": WRONG, "never ": WRONG}
    assert await _outcomes(bucket, asked) == {
        "same": DELETED,
        "changed": CHANGED,
        "same ": DELETED,
        "changed ": CHANGED,
        "never": VANISHED,
        "never ": absent,
    }
    assert sorted(await listed_keys(bucket)) == ["changed", "changed "]
    assert await _outcomes(bucket, {"changed": new, "changed ": new}) == {
        "changed": DELETED,
        "changed ": DELETED,
    }
    assert await listed_keys(bucket) == []


async def test_each_key_by_its_etag_on_seaweed(bucket: Bucket) -> None:
    await _each_key_by_its_etag(bucket)


async def test_each_key_by_its_etag_where_aws_rules(aws_like: Bucket) -> None:
    # Like RGW and Swift, ministack answers 204 where nothing was; then that is what we report.
    await _each_key_by_its_etag(aws_like, absent=DELETED)


async def test_more_than_one_batch(bucket_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleting_module, "BATCH_SIZE", 4)
    async with running_proxy(bucket_config.endpoint_url) as proxy:
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            etags = await _put(bucket, *(f"k{n}" for n in range(10)))
            assert await _outcomes(bucket, etags) == dict.fromkeys(etags, DELETED)
            assert await listed_keys(bucket) == []
    batches = [e for e in proxy.seen if e.path.endswith("?delete")]
    assert [e.body.count(b"<Key>") for e in batches] == [4, 4, 2]
    assert [e.body.count(b"<ETag>") for e in batches] == [4, 4, 2]
    assert all(b"VersionId" not in e.body and "versionId" not in e.path for e in proxy.seen)
    assert all("Content-MD5" in e.headers for e in batches)


async def test_a_delete_is_never_unconditional(bucket: Bucket) -> None:
    await _put(bucket, "k")
    for etag in ("", '""', "*", ' "*" '):
        with pytest.raises(ValueError, match="unconditional"):
            await bucket.delete_batch([("k", etag)])
    with pytest.raises(ValueError, match="twice"):
        await bucket.delete_batch([("k", WRONG), ("k", WRONG)])
    assert await listed_keys(bucket) == ["k"]
    assert await bucket.delete_batch([]) == {}


async def test_silence_about_a_key_is_a_failure(bucket_config: Config) -> None:
    async def drop_b(exchange: Exchange) -> None:
        exchange.answer = re.sub(rb"<Deleted><Key>b</Key>.*?</Deleted>", b"", exchange.answer)

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.after = drop_b
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            etags = await _put(bucket, "a", "b", "c")
            results = await bucket.delete_batch(list(etags.items()))
    assert {k: r.outcome for k, r in results.items()} == {"a": DELETED, "b": FAILED, "c": DELETED}
    assert results["b"].reason == SILENCE


async def test_an_answer_about_a_strange_key_stops_everything(bucket_config: Config) -> None:
    async def swap_b(exchange: Exchange) -> None:
        exchange.answer = exchange.answer.replace(b"<Key>b</Key>", b"<Key>x</Key>")

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.after = swap_b
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            etags = await _put(bucket, "a", "b")
            with pytest.raises(DeleteAnswerWrong, match="'x'") as caught:
                await bucket.delete_batch(list(etags.items()))
    outcomes = {key: result.outcome for key, result in caught.value.results.items()}
    assert outcomes == {"a": DELETED, "b": FAILED}


def _error(key: str, code: str) -> str:
    return f"<Error><Key>{key}</Key><Code>{code}</Code><Message>no</Message></Error>"


@pytest.mark.parametrize(("refusals", "outcome"), [(2, DELETED), (99, FAILED)])
async def test_keys_the_store_was_too_busy_for_are_asked_again(
    bucket_config: Config, monkeypatch: pytest.MonkeyPatch, refusals: int, outcome: DeleteOutcome
) -> None:
    monkeypatch.setattr(deleting_module, "KEY_BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(deleting_module, "KEY_ATTEMPTS", 3)
    asked: list[list[str]] = []

    async def too_busy_for_b(exchange: Exchange) -> None:
        if exchange.path.endswith("?delete"):
            keys = re.findall(r"<Key>(.*?)</Key>", exchange.body.decode())
            asked.append(keys)
            if len(asked) <= refusals:
                exchange.status = 200
                done = "".join(f"<Deleted><Key>{k}</Key></Deleted>" for k in keys if k != "b")
                answer = f"<DeleteResult>{done}{_error('b', 'SlowDown')}</DeleteResult>"
                exchange.answer = answer.encode()

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.before = too_busy_for_b
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            etags = await _put(bucket, "a", "b")
            outcomes = await _outcomes(bucket, etags)
            assert ("b" in await listed_keys(bucket)) is (outcome is FAILED)
    assert outcomes == {"a": DELETED, "b": outcome}
    assert asked == [["a", "b"], ["b"], ["b"]]


async def test_a_store_that_knows_no_batches_is_asked_one_by_one(bucket_config: Config) -> None:
    async def no_batches(exchange: Exchange) -> None:
        if exchange.path.endswith("?delete"):
            exchange.status = 501
            exchange.answer = b"<Error><Code>NotImplemented</Code></Error>"

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.before = no_batches
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            etags = await _put(bucket, "a", "b")
            outcomes = await _outcomes(bucket, etags | {"b": WRONG, "c": WRONG})
            assert await listed_keys(bucket) == ["b"]
    assert outcomes == {"a": DELETED, "b": CHANGED, "c": VANISHED}
    singles = [e for e in proxy.seen if e.method == "DELETE"]
    assert sorted(e.headers["If-Match"] for e in singles) == sorted([etags["a"], WRONG, WRONG])


async def test_a_refused_request_is_a_result_for_every_key(
    bucket_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gc_core.bucket.connection.MAX_ATTEMPTS", 1)

    async def denied(exchange: Exchange) -> None:
        if exchange.path.endswith("?delete") or exchange.method == "DELETE":
            exchange.status = 403
            exchange.answer = b"<Error><Code>AccessDenied</Code></Error>"

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.before = denied
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            etags = await _put(bucket, "a", "b ")
            results = await bucket.delete_batch(list(etags.items()))
            assert sorted(await listed_keys(bucket)) == ["a", "b "]
    assert {key: result.outcome for key, result in results.items()} == {"a": FAILED, "b ": FAILED}
    assert all("AccessDenied" in result.reason for result in results.values())


async def test_a_delete_in_a_versioned_bucket_only_adds_a_marker(
    make_bucket: MakeBucket, ministack: Ministack
) -> None:
    config = await make_bucket(ministack)
    async with plain_client(config) as s3, Bucket.open(config, SystemClock()) as bucket:
        await s3.put_bucket_versioning(
            Bucket=config.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        etags = await _put(bucket, "a", "b ")
        state = await bucket.head("a")
        assert state is not None
        assert state.version_id is not None
        assert await _outcomes(bucket, etags) == {"a": DELETED, "b ": DELETED}
        assert await bucket.head("a") is None
        assert await listed_keys(bucket) == []
        versions = await s3.list_object_versions(Bucket=config.bucket)
    assert [v["VersionId"] for v in versions["Versions"] if v["Key"] == "a"] == [state.version_id]
    assert len(versions["Versions"]) == len(versions["DeleteMarkers"]) == 2


def test_an_error_outweighs_a_deletion() -> None:
    both = {"Deleted": [{"Key": "k"}], "Errors": [{"Key": "k", "Code": "AccessDenied"}]}
    assert {key: r.outcome for key, r in read_answer(both).items()} == {"k": FAILED}


def test_back_off_grows_and_is_bounded() -> None:
    assert all(0 <= backoff_seconds(1) <= 1 for _ in range(100))
    assert max(backoff_seconds(30) for _ in range(100)) <= 20
