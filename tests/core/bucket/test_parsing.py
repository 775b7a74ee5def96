"""Entries of a listing are what botocore makes of them, and odd answers are left to botocore."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import botocore.session
import pytest
from botocore.parsers import ResponseParserError, RestXMLParser
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.bucket.parsing import parse_timestamp, take_entries

OPERATION = botocore.session.get_session().get_service_model("s3").operation_model("ListObjectsV2")

SPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
KNOWN = ("Key", "Size", "ETag", "LastModified", "StorageClass")
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
TIMES = st.sampled_from(
    ["2026-11-21T10:55:43.000Z", "2026-11-21T12:55:43+02:00", "Sat, 21 Nov 2026 10:55:43 GMT"]
)
ENTRIES = st.fixed_dictionaries(
    {
        "Key": TEXT,
        "LastModified": TIMES,
        "ETag": TEXT,
        "Size": st.integers(0, 1 << 50).map(str),
    },
    optional={"StorageClass": TEXT, "ChecksumType": TEXT, "Key2": TEXT},
)


def answer(body: str, status: int = 200) -> dict[str, Any]:
    return {"body": body.encode(), "headers": {}, "status_code": status}


def listing(entries: list[str], space: str = SPACE, rest: str = "") -> str:
    listed = "".join(f"<Contents>{entry}</Contents>" for entry in entries)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult {space}><Name>b</Name>'
        f"<Prefix>p/</Prefix><KeyCount>{len(entries)}</KeyCount><IsTruncated>true</IsTruncated>"
        f"{listed}<NextContinuationToken>t&amp;=</NextContinuationToken>{rest}</ListBucketResult>"
    )


def fields(entry: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in entry.items())


def by_botocore(given: dict[str, Any]) -> dict[str, Any]:
    parser = RestXMLParser(timestamp_parser=parse_timestamp)
    assert OPERATION.output_shape is not None
    parsed: dict[str, Any] = parser.parse(given, OPERATION.output_shape)
    return parsed


def with_entries_taken(given: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    taken: dict[str, Any] = {}
    take_entries(given, taken)
    return by_botocore(given) | taken, bool(taken)


def only_known(parsed: dict[str, Any]) -> dict[str, Any]:
    """botocore's answer without what nobody here asks of an entry."""
    if "Contents" not in parsed:
        return parsed
    kept = [{name: e[name] for name in KNOWN if name in e} for e in parsed["Contents"]]
    return parsed | {"Contents": kept}


@pytest.mark.parametrize("space", [SPACE, ""], ids=["namespace", "none"])
@given(st.lists(ENTRIES.flatmap(lambda e: st.permutations(list(e.items())).map(dict)), max_size=4))
def test_what_is_taken_is_what_botocore_makes_of_it(
    space: str, entries: list[dict[str, str]]
) -> None:
    body = listing([fields(entry) for entry in entries], space)
    found, is_taken = with_entries_taken(answer(body))
    assert found == only_known(by_botocore(answer(body)))
    assert is_taken == bool(entries)


GOOD = "<Key>a</Key><LastModified>2026-11-21T10:55:43Z</LastModified><ETag>e</ETag><Size>1</Size>"


@pytest.mark.parametrize(
    "entry",
    [
        GOOD.replace("<ETag>e</ETag>", ""),
        GOOD.replace("<Key>a</Key>", ""),
        GOOD.replace("<Size>1</Size>", ""),
        GOOD.replace("<LastModified>2026-11-21T10:55:43Z</LastModified>", ""),
        GOOD + "<Owner/><Owner/>",
        GOOD.replace("<Key>", '<Key xmlns="other">'),
    ],
)
def test_an_odd_entry_leaves_the_answer_to_botocore(entry: str) -> None:
    given = answer(listing([GOOD, entry]))
    found, is_taken = with_entries_taken(given)
    assert not is_taken
    assert given == answer(listing([GOOD, entry]))
    assert len(found["Contents"]) == 2


def test_an_entry_of_another_namespace_is_not_lost() -> None:
    body = listing([GOOD]).replace(
        "</ListBucketResult>", f'<Contents xmlns="other">{GOOD}</Contents></ListBucketResult>'
    )
    found, is_taken = with_entries_taken(answer(body))
    assert not is_taken
    assert len(found["Contents"]) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("<Error><Code>SlowDown</Code></Error>", 200),
        ("<Error><Code>SlowDown</Code></Error>", 503),
        (listing([GOOD]), 500),
        (listing([]), 200),
        (listing([GOOD]).replace("ListBucketResult", "Other"), 200),
        (listing([GOOD], "").replace("ListBucketResult", "Other"), 200),
    ],
)
def test_what_is_no_listing_is_left_alone(body: str, status: int) -> None:
    given, taken = answer(body, status), dict[str, Any]()
    take_entries(given, taken)
    assert given == answer(body, status)
    assert not taken


@pytest.mark.parametrize("body", [listing([GOOD])[:-9], "<a", listing([GOOD + "<Size>x"])])
def test_half_an_answer_is_botocores_to_refuse(body: str) -> None:
    with pytest.raises(ResponseParserError):
        with_entries_taken(answer(body))


def test_a_size_that_is_no_number_is_botocores_to_refuse() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        with_entries_taken(answer(listing([GOOD.replace("<Size>1", "<Size>x")])))
