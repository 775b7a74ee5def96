"""Objects as any S3 client writes and sees them: botocore alone, nothing of the product."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import botocore.session
from botocore.config import Config as ClientConfig

MIB = 1 << 20
# Answer headers that are of the answer, not of the object.
_OF_THE_ANSWER = (
    *("date", "server", "connection", "keep-alive", "x-amz-request-id", "x-amz-id-2"),
    *("x-amzn-requestid", "last-modified", "accept-ranges", "x-amz-tagging-count", "via"),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """An object to write: pieces of its bytes made anew at each call, and request parameters.

    With `part_size` (bytes) it goes in parts.
    """

    pieces: Callable[[], Iterator[bytes]]
    headers: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    part_size: int | None = None

    @classmethod
    def of(cls, body: bytes, part_size: int | None = None, **headers: Any) -> Upload:
        """One whose bytes are at hand."""
        return cls(lambda: iter([body]), headers, part_size=part_size)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client sees of an object: bytes by SHA-256, the answer's headers, tags."""

    size: int
    sha256: str
    headers: Mapping[str, str]
    tags: Mapping[str, str]


class Store:
    """One bucket. All methods block."""

    def __init__(self, endpoint: str, bucket: str, access_key: str, secret_key: str) -> None:
        self._bucket = bucket
        self._s3: Any = botocore.session.Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=ClientConfig(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def put(self, key: str, upload: Upload) -> None:
        """Write an object, in one or in parts."""
        where = {"Bucket": self._bucket, "Key": key}
        more: dict[str, Any] = dict(upload.headers)
        if upload.tags:
            more["Tagging"] = urlencode(upload.tags, quote_via=quote)
        if upload.part_size is None:
            self._s3.put_object(**where, **more, Body=b"".join(upload.pieces()))
            return
        begun = self._s3.create_multipart_upload(**where, **more)
        where["UploadId"] = begun["UploadId"]
        parts = []
        for number, body in enumerate(_in_parts(upload.pieces(), upload.part_size), start=1):
            answer = self._s3.upload_part(**where, PartNumber=number, Body=body)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})

    def see(self, keys: Sequence[str]) -> dict[str, Seen]:
        """Objects as they are now; each must be there."""
        return {key: self._see(key) for key in keys}

    def _see(self, key: str) -> Seen:
        answer = self._s3.get_object(Bucket=self._bucket, Key=key)
        digest, size = hashlib.sha256(), 0
        for piece in answer["Body"].iter_chunks(MIB):
            digest.update(piece)
            size += len(piece)
        tags = self._s3.get_object_tagging(Bucket=self._bucket, Key=key)["TagSet"]
        headers = {
            name.lower(): value
            for name, value in answer["ResponseMetadata"]["HTTPHeaders"].items()
            if name.lower() not in _OF_THE_ANSWER
        }
        return Seen(size, digest.hexdigest(), headers, {tag["Key"]: tag["Value"] for tag in tags})


def _in_parts(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
