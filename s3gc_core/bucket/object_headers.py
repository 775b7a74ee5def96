"""Between the parameters of a request for one object, its answer, and their headers.

By botocore's own description of S3, read once an operation, not once a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from s3gc_core.bucket.parsing import parse_timestamp

_READ: dict[str, Callable[[str], object]] = {
    "string": str,
    "timestamp": parse_timestamp,
    "integer": int,
    "long": int,
    "boolean": lambda text: text.lower() == "true",
}
# Where they go is known: into the URL, and as the body.
_NO_HEADERS = frozenset({"Bucket", "Key", "Body"})


def sent_headers(model: Any, params: Mapping[str, Any]) -> dict[str, str] | None:
    """The headers that say `params`; None where they cannot, or not in plain ASCII."""
    headers: dict[str, str] = {}
    for name, value in params.items():
        if name in _NO_HEADERS:
            continue
        shape = model.input_shape.members.get(name)
        where = shape.serialization if shape else {}
        if where.get("location") == "header" and isinstance(value, (str, int)):
            headers[where["name"]] = str(value)
        elif where.get("location") == "headers":
            headers.update({where["name"] + key: said for key, said in value.items()})
        else:
            return None
    plain = all((name + said).isascii() and said.isprintable() for name, said in headers.items())
    return headers if plain else None


@dataclass(frozen=True, slots=True)
class Answered:
    """How the headers of an operation's answer are read: by header, in small letters."""

    members: Mapping[str, tuple[str, Callable[[str], object]]]
    metadata_prefix: str | None

    @classmethod
    def of(cls, model: Any) -> Answered:
        """By botocore's description of the answer."""
        members: dict[str, tuple[str, Callable[[str], object]]] = {}
        prefix = None
        for name, shape in model.output_shape.members.items():
            where = shape.serialization
            if where.get("location") == "header":
                members[where["name"].lower()] = (name, _READ[shape.type_name])
            elif where.get("location") == "headers":
                prefix = where["name"].lower()
        # What was stored may be no date.
        members["expires"] = ("ExpiresString", str)
        return cls(members, prefix)

    def parse(self, response: Any) -> dict[str, Any]:
        """As botocore gives it. Raises `ValueError` where a header is not what it has to be."""
        answer = self.about(response)
        if (prefix := self.metadata_prefix) is not None:
            answer["Metadata"] = {}
        for name, value in answer["ResponseMetadata"]["HTTPHeaders"].items():
            if (member := self.members.get(name)) is not None:
                answer[member[0]] = member[1](value)
            elif prefix is not None and name.startswith(prefix):
                answer["Metadata"][name.removeprefix(prefix)] = value
        return answer

    @staticmethod
    def about(response: Any) -> dict[str, Any]:
        """The answer's metadata, as botocore gives it."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        about: dict[str, Any] = {"HTTPStatusCode": response.status_code, "HTTPHeaders": headers}
        if "x-amzn-requestid" in headers:
            about["RequestId"] = headers["x-amzn-requestid"]
        elif "x-amz-request-id" in headers:
            about["RequestId"] = headers["x-amz-request-id"]
            about["HostId"] = headers.get("x-amz-id-2", "")
        return {"ResponseMetadata": about | {"RetryAttempts": 0}}
