"""What botocore reads slowly, read quickly: timestamps, and the entries of a listing.

Three quarters of the CPU of a listing was botocore's guess at timestamps and its walk through the
model of each entry (measured: notes on S3, section 2).
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_LISTING = "ListBucketResult"
_ENTRIES = "Contents"


def parse_timestamp(value: str | int | float) -> datetime:
    """An aware UTC datetime from ISO 8601 (listings) or an e-mail date (headers)."""
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = parsedate_to_datetime(value)
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def take_entries(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Take the entries out of a ListObjectsV2 answer, as botocore would have given them.

    For its event `before-parse.s3.ListObjectsV2`; the rest of the answer, percent-decoding, and
    whatever is odd in any way are left to botocore, as if this had not been.
    """
    if response_dict["status_code"] != 200:
        return
    try:
        root = ElementTree.fromstring(response_dict["body"])
        elements = [child for child in root if _name(child) == _ENTRIES]
        if not elements:
            return
        # Where the root is anything else, no entry has the fields that are asked for.
        prefix = root.tag.removesuffix(_LISTING)
        customized_response_dict[_ENTRIES] = [_entry(element, prefix) for element in elements]
    except (ElementTree.ParseError, KeyError, TypeError, ValueError):
        return
    root[:] = [child for child in root if _name(child) != _ENTRIES]
    response_dict["body"] = ElementTree.tostring(root)


def _name(element: ElementTree.Element) -> str:
    """Without its namespace, as botocore compares names."""
    return element.tag.rpartition("}")[2]


def _entry(element: ElementTree.Element, prefix: str) -> dict[str, object]:
    """Raises `KeyError`, `TypeError`, `ValueError` where anything is not as it should be."""
    texts = {child.tag: child.text or "" for child in element}
    if len(texts) != len(element):
        raise ValueError("an entry says something twice")
    entry: dict[str, object] = {
        "Key": texts[f"{prefix}Key"],
        "LastModified": parse_timestamp(texts[f"{prefix}LastModified"]),
        "ETag": texts[f"{prefix}ETag"],
        "Size": int(texts[f"{prefix}Size"]),
    }
    if (storage_class := texts.get(f"{prefix}StorageClass")) is not None:
        entry["StorageClass"] = storage_class
    return entry
