"""What a request to S3 asks for, and how to send another one in its place."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.servers.proxy import Exchange

_SPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
# What belongs to the old signature or to the old body.
_OLD = {"authorization", "x-amz-date", "content-md5", "content-length", "x-amz-content-sha256"}
_SIGNED = ("x-amz-", "if-", "content-type", "content-md5", "cache-", "expires", "range")


class Asked(Enum):
    """The kind of a request."""

    LIST = "list"
    GET = "get"
    HEAD = "head"
    TAGS = "tags"
    PUT = "put"
    DELETE = "delete"
    DELETE_BATCH = "delete batch"
    OTHER = "other"


def asked(method: str, path: str) -> Asked:
    """What a request of this method and raw path asks for."""
    place, _, query = path.partition("?")
    of_bucket = place.strip("/").count("/") == 0
    if of_bucket:
        if method == "POST" and query.startswith("delete"):
            return Asked.DELETE_BATCH
        return Asked.LIST if method == "GET" and "list-type=2" in query else Asked.OTHER
    if query.startswith("tagging"):
        return Asked.TAGS
    return {
        "GET": Asked.GET,
        "HEAD": Asked.HEAD,
        "PUT": Asked.PUT,
        "DELETE": Asked.DELETE,
    }.get(method, Asked.OTHER)


def key_of(path: str) -> str:
    """The key in a raw path."""
    return unquote(path.partition("?")[0].strip("/").partition("/")[2])


def deletions(body: bytes) -> dict[str, str | None]:
    """The keys of a DeleteObjects with their ETags; None where there is none."""
    root = ElementTree.fromstring(body)
    space = _SPACE if root.tag.startswith(_SPACE) else ""
    return {
        entry.findtext(f"{space}Key") or "": entry.findtext(f"{space}ETag")
        for entry in root.iter(f"{space}Object")
    }


def deleting(keys: dict[str, str | None]) -> bytes:
    """The body of a DeleteObjects for these keys."""
    entries = "".join(
        f"<Object><Key>{escape(key)}</Key>{f'<ETag>{escape(etag)}</ETag>' if etag else ''}</Object>"
        for key, etag in keys.items()
    )
    return f'<Delete xmlns="{_SPACE[1:-1]}">{entries}</Delete>'.encode()


def said_deleted(key: str) -> bytes:
    """What DeleteObjects says of a key that is gone."""
    return f"<Deleted><Key>{escape(key)}</Key></Deleted>".encode()


def said_failed(key: str, code: str) -> bytes:
    """What DeleteObjects says of a key that it did not delete."""
    return (
        f"<Error><Key>{escape(key)}</Key><Code>{code}</Code><Message>no</Message></Error>".encode()
    )


def delete_answer(entries: list[bytes]) -> bytes:
    """A whole answer to DeleteObjects."""
    return b'<DeleteResult xmlns="%b">%b</DeleteResult>' % (
        _SPACE[1:-1].encode(),
        b"".join(entries),
    )


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs what was edited, as a gateway with its own credentials does."""

    access_key: str
    secret_key: str

    def sign(self, exchange: Exchange, endpoint: str) -> None:
        """Give an edited request a signature that is right."""
        kept = {k: v for k, v in exchange.headers.items() if k.lower() not in _OLD}
        told = {k: v for k, v in kept.items() if k.lower().startswith(_SIGNED)}
        told["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
        request = AWSRequest(exchange.method, endpoint + exchange.path, told, exchange.body)
        request.context["payload_signing_enabled"] = False
        credentials = Credentials(self.access_key, self.secret_key)
        S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
        exchange.headers = kept | dict(request.headers.items())
