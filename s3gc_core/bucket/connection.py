"""One configured client of the object store, with the hooks the rest of the room relies on."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from botocore.loaders import create_loader

from s3gc_core.bucket.failures import store_errors
from s3gc_core.bucket.light import LightRequests, Operation
from s3gc_core.bucket.pace import Pace
from s3gc_core.bucket.parsing import parse_timestamp, take_entries
from s3gc_core.config import Checksums, RequestPayer

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from botocore.model import OperationModel
    from types_aiobotocore_s3 import S3Client

    from s3gc_core.config import Config

CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 60
# 10 tries with exponential back-off survive about a minute of SlowDown (measured: notes on S3).
MAX_ATTEMPTS = 10
# Questions a person waits for must not spend that minute on a dead endpoint.
CHECK_ATTEMPTS = 2
# botocore's description of S3, read once a process: reading it takes longer than most requests.
_MODELS = create_loader()
_When = Literal["when_supported", "when_required"]
# A parameter of ours, taken out before botocore validates; see `_take_raw_expires`.
RAW_EXPIRES = "S3gcRawExpires"
_METHODS = {"GetObject": "get_object", "HeadObject": "head_object", "PutObject": "put_object"}


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials handed in by a caller that has its own server (the demo, a replica), never shown;
    or the `profile` of the AWS configuration that has them.
    """

    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """An open client and what every request needs. `spool_folder` lies on the vault's disk.

    `light` sends requests for one object at less cost; None where each has to be sent once only.
    """

    s3: S3Client
    bucket: str
    max_concurrency: int
    spool_folder: Path
    pace: Pace
    light: LightRequests | None = None

    async def send(self, operation: Operation, **params: Any) -> dict[str, Any]:
        """A request for one object, and its answer, as the client gives it."""
        if self.light is not None:
            answer = await self.light.send(operation, params)
            if answer is not None:
                return answer
        method = getattr(self.s3, _METHODS[operation])
        return dict(await method(Bucket=self.bucket, **params))


class SentOnce(AIOHTTPSession):
    """Sends a request once, also where its connection breaks.

    aiohttp sends whatever HTTP calls idempotent, DELETE too, once more by itself then (3.14:
    `retry_persistent_connection`, on fresh connections as well): the first may have been done.
    """

    async def _get_session(self, proxy_url: str | None) -> ClientSession:
        session: ClientSession = await super()._get_session(proxy_url)  # type: ignore[misc]
        # Read first: with an aiohttp that has no such switch nothing is sent at all.
        if session._retry_connection:
            session._retry_connection = False
        return session


@asynccontextmanager
async def connect(
    config: Config,
    *,
    attempts: int | None = None,
    keys: Keys | None = None,
    pace: Pace | None = None,
) -> AsyncIterator[Connection]:
    """Open a client. Credentials come from the usual AWS chain unless `keys` are given.

    `pace` is one that is shared with other clients, or another than the configured one. With one
    of `attempts` each request is sent once, whatever becomes of it.

    Sends nothing yet. Raises `BucketUnreachable` where the chain's own configuration is broken.
    """
    doing = f"opening bucket {config.bucket!r}"
    on_aws = not config.endpoint_url or is_aws(config.endpoint_url)
    with store_errors(doing):
        session = get_session()
        if keys is not None and keys.profile is not None:
            session.set_config_variable("profile", keys.profile)
        session.register_component("data_loader", _MODELS)
        parsers = session.get_component("response_parser_factory")
        parsers.set_parser_defaults(timestamp_parser=parse_timestamp)
        creating = session.create_client(
            "s3",
            region_name=config.region,
            endpoint_url=config.endpoint_url or None,
            aws_access_key_id=keys.access_key if keys else None,
            aws_secret_access_key=keys.secret_key if keys else None,
            config=_client_config(
                attempts or MAX_ATTEMPTS, config.max_concurrency, config.checksums, on_aws=on_aws
            ),
        )
        client = await creating.__aenter__()
    try:
        for operation in ("PutObject", "CreateMultipartUpload"):
            client.meta.events.register(f"before-parameter-build.s3.{operation}", _take_raw_expires)
            client.meta.events.register(f"before-call.s3.{operation}", _send_raw_expires)
        for operation in ("GetObject", "HeadObject"):
            client.meta.events.register(f"before-parse.s3.{operation}", _keep_raw_expires)
        client.meta.events.register("before-call.s3.DeleteObjects", _send_content_md5)
        client.meta.events.register("before-parse.s3.ListObjectsV2", take_entries)
        client.meta.events.register("before-parameter-build.s3", _said_always(config))
        pace = pace or Pace.of(config)
        # The stubs know no hook that is awaited; aiobotocore awaits what a hook returns.
        waits: Any = pace.before_signing
        client.meta.events.register_first("request-created.s3", waits)
        light = LightRequests(client, pace) if attempts is None else None
        yield Connection(
            client, config.bucket, config.max_concurrency, config.vault_path, pace, light
        )
    finally:
        await creating.__aexit__(None, None, None)


def _client_config(
    attempts: int, max_concurrency: int, checksums: Checksums, *, on_aws: bool
) -> AioConfig:
    sent: _When = "when_supported" if checksums is Checksums.ON else "when_required"
    checked: _When = "when_supported" if on_aws else "when_required"
    if checksums is not Checksums.AUTO:
        checked = sent
    return AioConfig(
        http_session_cls=SentOnce if attempts == 1 else AIOHTTPSession,
        # botocore's own is put together anew twice a request: a seventh of our time for it.
        user_agent="s3gc",
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        # Twice: whoever reads a body and asks for its tags holds two, and must not wait for itself.
        max_pool_connections=2 * max_concurrency,
        # Adaptive: one token bucket for the whole client, so one worker's SlowDown slows all. It
        # lets requests wait that are ready to be sent, which those sent once, deletes, never may.
        retries={
            "mode": "standard" if attempts == 1 else "adaptive",
            "total_max_attempts": attempts,
        },
        # boto's default CRC32 trailers broke R2, OVH, GCS and old MinIO (boto3#4392). We send
        # Content-MD5 with every body, which every store checks, AWS too.
        request_checksum_calculation=sent,
        response_checksum_validation=checked,
        # Hashing bodies for the signature would block the event loop, also on plain http, and
        # Content-MD5, which is signed, binds the body already.
        s3={"payload_signing_enabled": False},
    )


def is_aws(endpoint_url: str) -> bool:
    """Whether the endpoint is Amazon's own."""
    host = urlsplit(endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _said_always(config: Config) -> Callable[..., None]:
    """Add who pays, and who has to own the bucket, to every request that can say so.

    Here and not where requests are made: one that forgot it would be refused, or, worse, change
    the bucket of somebody else.
    """
    always: dict[str, str] = {}
    if config.request_payer is RequestPayer.REQUESTER:
        always["RequestPayer"] = config.request_payer.value
    if config.expected_bucket_owner:
        always["ExpectedBucketOwner"] = config.expected_bucket_owner

    def add(params: dict[str, Any], model: OperationModel, **_: Any) -> None:
        known = model.input_shape.members if model.input_shape else {}
        params.update({name: value for name, value in always.items() if name in known})

    return add


def _take_raw_expires(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """botocore only writes Expires as a date; what was stored may be "0", and has to come back."""
    raw = params.pop(RAW_EXPIRES, None)
    if raw is not None:
        context[RAW_EXPIRES] = raw


def _send_raw_expires(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    raw = context.get(RAW_EXPIRES)
    if raw is not None:
        params["headers"]["Expires"] = raw


def _keep_raw_expires(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """What is no date must not break the answer it comes with."""
    raw = response_dict["headers"].pop("Expires", None)
    if raw is not None:
        customized_response_dict["ExpiresString"] = raw


def _send_content_md5(params: dict[str, Any], **_: Any) -> None:
    """botocore sends CRC32 here; older stores insist on Content-MD5, and all understand it."""
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()


async def create_bucket(
    config: Config, *, access_key: str | None = None, secret_key: str | None = None
) -> None:
    """Create the configured bucket; one that is ours already is fine. For demos and tests.

    Raises `BucketUnreachable` where the store does not answer, or refuses.
    """
    doing = f"creating bucket {config.bucket!r}"
    keys = Keys(access_key, secret_key) if access_key and secret_key else None
    async with connect(config, attempts=CHECK_ATTEMPTS, keys=keys) as connection:
        s3 = connection.s3
        with store_errors(doing):
            try:
                if config.region == "us-east-1":
                    await s3.create_bucket(Bucket=config.bucket)
                else:
                    place: Any = {"LocationConstraint": config.region}
                    await s3.create_bucket(Bucket=config.bucket, CreateBucketConfiguration=place)
            except s3.exceptions.BucketAlreadyOwnedByYou:
                return
