"""The bucket as any S3 client sees it: botocore alone, nothing of the product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import botocore.session
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

# Request parameters and answer fields of the headers that belong to an object.
HEADERS = (
    "ContentType",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
)
THREADS = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """One object with everything that belongs to it."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


class Store:
    """One bucket. All methods block: call them in threads."""

    def __init__(self, endpoint: str, bucket: str, access_key: str, secret_key: str) -> None:
        self._s3: Any = botocore.session.Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=ClientConfig(
                s3={"addressing_style": "path"},
                max_pool_connections=2 * THREADS,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        self.bucket = bucket
        self._threads = ThreadPoolExecutor(THREADS)

    def close(self) -> None:
        self._threads.shutdown()
        self._s3.close()

    def listed(self) -> set[str]:
        """Every key in the bucket."""
        found: set[str] = set()
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            found.update(entry["Key"] for entry in page.get("Contents", []))
        return found

    def put_all(self, objects: Mapping[str, Stored]) -> None:
        """Upload objects over whatever is there."""
        list(self._threads.map(lambda item: self._put(*item), objects.items()))

    def bodies(self, keys: Iterable[str]) -> dict[str, bytes | None]:
        """The bytes of objects; None where there is none."""
        wanted = list(keys)
        return dict(zip(wanted, self._threads.map(self._body, wanted), strict=True))

    def everything(self, keys: Iterable[str]) -> dict[str, Stored]:
        """Objects with all that belongs to them; each must be there."""
        wanted = list(keys)
        return dict(zip(wanted, self._threads.map(self._get, wanted), strict=True))

    def remove(self, key: str) -> None:
        """Delete an object, whatever it is."""
        self._s3.delete_object(Bucket=self.bucket, Key=key)

    def _put(self, key: str, stored: Stored) -> None:
        self._s3.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=stored.body,
            Metadata=dict(stored.metadata),
            **stored.headers,
            **({"Tagging": urlencode(stored.tags)} if stored.tags else {}),
        )

    def _body(self, key: str) -> bytes | None:
        try:
            body: bytes = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return body

    def _get(self, key: str) -> Stored:
        answer = self._s3.get_object(Bucket=self.bucket, Key=key)
        tagging = self._s3.get_object_tagging(Bucket=self.bucket, Key=key)
        return Stored(
            answer["Body"].read(),
            {name: answer[name] for name in HEADERS if name in answer},
            answer["Metadata"],
            {tag["Key"]: tag["Value"] for tag in tagging["TagSet"]},
        )
