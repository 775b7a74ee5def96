from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from s3gc_core.bucket import Bucket
from s3gc_core.bucket.connection import connect, is_aws
from s3gc_core.clock import ShiftedClock, SystemClock
from s3gc_core.config import Config
from s3gc_core.errors import BucketUnreachable, ExitCode
from tests.servers.proxy import Exchange, running_proxy


async def _cause(config: Config) -> BucketUnreachable:
    async with Bucket.open(config, SystemClock()) as bucket:
        with pytest.raises(BucketUnreachable) as caught:
            await bucket.check()
    assert caught.value.exit_code is ExitCode.UNREACHABLE
    return caught.value


async def test_a_bucket_that_is_there(bucket: Bucket) -> None:
    await bucket.check()


async def test_no_such_bucket(bucket_config: Config) -> None:
    assert "no such bucket" in (await _cause(replace(bucket_config, bucket="missing"))).what


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch"),
        ("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId"),
    ],
)
async def test_wrong_credentials(
    bucket_config: Config, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    monkeypatch.setenv(name, "wrong-and-secret")
    error = await _cause(bucket_config)
    assert "refuses the credentials" in error.what
    assert code in error.what
    assert "wrong-and-secret" not in error.what


async def test_no_credentials(bucket_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = await _cause(bucket_config)
    assert "no usable credentials" in error.what
    assert "AWS_PROFILE" in error.next_step


async def test_a_profile_that_is_not_there(
    bucket_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(BucketUnreachable, match="nobody"):
        async with Bucket.open(bucket_config, SystemClock()):
            raise AssertionError("opened without credentials")


async def test_a_dead_endpoint_is_told_within_seconds(bucket_config: Config) -> None:
    started = time.monotonic()
    error = await _cause(replace(bucket_config, endpoint_url="http://127.0.0.1:1"))
    assert "no answer" in error.what
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [(403, "AccessDenied", "access denied"), (400, "AuthorizationHeaderMalformed", "wrong region")],
)
async def test_the_cause_of_a_refusal_is_named(
    bucket_config: Config, status: int, code: str, cause: str
) -> None:
    async def refuse(exchange: Exchange) -> None:
        exchange.status = status
        exchange.answer = f"<Error><Code>{code}</Code></Error>".encode()

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.before = refuse
        error = await _cause(replace(bucket_config, endpoint_url=proxy.endpoint))
    assert cause in error.what
    assert code in error.what


async def test_identity_is_stable_and_holds_no_secret(bucket_config: Config) -> None:
    config = replace(bucket_config, endpoint_url="https://user:secret@S3.Example.com:9000/")
    async with Bucket.open(config, SystemClock()) as bucket:
        assert bucket.name == config.bucket
        expected = f"https://s3.example.com:9000/us-east-1/{config.bucket}"
        assert await bucket.identity() == expected
    on_aws = Config(bucket="photos", region="eu-west-1")
    async with Bucket.open(on_aws, SystemClock()) as bucket:
        assert await bucket.identity() == "https://s3.eu-west-1.amazonaws.com/eu-west-1/photos"


async def test_given_keys_come_before_the_chain(
    bucket_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    async with Bucket.open(
        bucket_config, SystemClock(), access_key=right[0], secret_key=right[1]
    ) as bucket:
        await bucket.check()


async def test_the_store_time_goes_through_the_clock(bucket_config: Config) -> None:
    clock = ShiftedClock()
    async with Bucket.open(bucket_config, clock) as bucket:
        before = await bucket.server_now()
        clock.advance(timedelta(days=10))
        after = await bucket.server_now()
    assert timedelta(days=10) <= after - before < timedelta(days=10, minutes=1)


def test_which_endpoints_are_amazons() -> None:
    assert is_aws("https://s3.eu-west-1.amazonaws.com")
    assert is_aws("https://s3.cn-north-1.amazonaws.com.cn")
    assert not is_aws("https://amazonaws.com.evil.example")
    assert not is_aws("http://127.0.0.1:8333")


async def test_what_is_sent_once_waits_for_no_limit_of_the_clients(bucket_config: Config) -> None:
    """A limiter that holds back what is ready to be sent would part a delete from its last look."""
    async with connect(bucket_config, attempts=1) as once, connect(bucket_config) as usual:
        configs: list[Any] = [one.s3.meta.config for one in (once, usual)]
    assert [each.retries["mode"] for each in configs] == ["standard", "adaptive"]
