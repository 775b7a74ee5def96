"""The pure decisions about backups, restores and recovery, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import msgspec
import pytest

from s3gc_core.bucket import ObjectHeaders, ObjectState
from s3gc_core.collection import header_differences
from s3gc_core.collection.backup import size_differs, unrestorable
from s3gc_core.collection.classification import classify_intent, classify_restore
from s3gc_core.collection.purge import may_go
from s3gc_core.collection.restore import choose
from s3gc_core.vault import (
    DeletedObject,
    Outcome,
    Restored,
    RestoreIntent,
    RestoreOutcome,
    Result,
)
from tests.core.collection.backups import STORED, day, deleted, intent


@pytest.mark.parametrize(
    ("etag", "there", "goes"),
    [
        ('"e"', '"e"', True),
        ('"e"', '"f"', False),
        ('"e"', '"E"', False),
        ('"e"', "e", False),
        ('"e"', '"e-1"', False),
        ('"e"', "", False),
        # Nothing is there: the vault has the only copy.
        ('"e"', None, False),
    ],
)
def test_only_a_backup_of_what_is_in_the_bucket_may_go(
    etag: str, there: str | None, goes: bool
) -> None:
    assert may_go(intent(etag=etag), None if there is None else state(there)) is goes


@pytest.mark.parametrize(
    "headers",
    [
        ObjectHeaders(content_type="image/png"),
        ObjectHeaders(tags={"a": "b"}),
        ObjectHeaders(metadata={"a": "b"}),
    ],
)
def test_the_same_bytes_with_other_headers_are_another_object(headers: ObjectHeaders) -> None:
    assert not may_go(intent(), msgspec.structs.replace(state('"e"'), headers=headers))


FIRST = deleted("OP1", deleted_on=10, modified=1)
SECOND = deleted("OP2", deleted_on=20, modified=12)
THIRD = deleted("OP3", deleted_on=30, modified=22)
ALL = (FIRST, SECOND, THIRD)


@pytest.mark.parametrize(
    ("backups", "as_of", "chosen"),
    [
        ((), None, None),
        ((), 5, None),
        ((FIRST,), None, FIRST),
        (ALL, None, THIRD),
        (ALL, 0.999, None),
        (ALL, 1, FIRST),
        (ALL, 9.999, FIRST),
        (ALL, 10, None),
        (ALL, 11, None),
        (ALL, 12, SECOND),
        (ALL, 19.5, SECOND),
        (ALL, 20, None),
        (ALL, 29.9, THIRD),
        (ALL, 30, None),
        (ALL, 100, None),
        # Restored in between, the same object was deleted twice: it was live in both.
        ((FIRST, deleted("OP2", deleted_on=20, modified=15)), 16, "OP2"),
        ((deleted("OP1", 10, modified=1), deleted("OP2", 20, modified=5)), 7, "OP2"),
    ],
)
def test_choose(
    backups: Sequence[DeletedObject], as_of: float | None, chosen: DeletedObject | str | None
) -> None:
    moment = None if as_of is None else day(as_of)
    # Without a time it is the log's order that counts.
    for order in permutations(backups) if as_of is not None else [backups]:
        found = choose(order, moment)
        if isinstance(chosen, str):
            assert found is not None
            assert found.operation_id == chosen
        else:
            assert found == chosen


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        (ObjectHeaders(), None),
        (ObjectHeaders(metadata={"name": "plain ~ !\t\x7f"}), None),
        (ObjectHeaders(metadata={"name": "M\u00fcller"}), "'name'"),
        (ObjectHeaders(metadata={"n\u00e4me": "x"}), "'n\u00e4me'"),
        (ObjectHeaders(metadata={"ok": "x", "bad": "a\nb"}), "'bad'"),
        (ObjectHeaders(metadata={"bad": "a\rb"}), "'bad'"),
        (ObjectHeaders(encryption="SSE-C"), "customer's key"),
        (ObjectHeaders(encryption="SSE-C", encryption_key_id="k"), None),
        (ObjectHeaders(encryption="AES256"), None),
        (ObjectHeaders(encryption="aws:kms", encryption_key_id="arn:k"), None),
        (ObjectHeaders(tags={"t\u00e4g": "v\u00e4lue"}, expires="not a date"), None),
    ],
)
def test_unrestorable(headers: ObjectHeaders, problem: str | None) -> None:
    found = unrestorable(headers)
    if problem is None:
        assert found is None
    else:
        assert found is not None
        assert problem in found


FULL = ObjectHeaders(
    content_type="image/jpeg",
    cache_control="no-cache",
    content_disposition="inline",
    content_encoding="gzip",
    content_language="de",
    expires="0",
    website_redirect="/x",
    metadata={"a": "1", "b": "2"},
    tags={"t": "1"},
    storage_class="STANDARD_IA",
    encryption="aws:kms",
    encryption_key_id="k1",
    part_size=5,
)
OTHER_HEADERS: dict[str, object] = {
    "content_type": "image/png",
    "cache_control": "No-Cache",
    "content_disposition": None,
    "content_encoding": "br",
    "content_language": "",
    "expires": "1",
    "website_redirect": "/y",
    "metadata": {"a": "1"},
    "tags": {"t": "1", "u": ""},
    "storage_class": "STANDARD",
    "encryption": "AES256",
    "encryption_key_id": "k2",
}


def test_every_header_is_known_to_these_tests() -> None:
    names = {field.name for field in msgspec.structs.fields(ObjectHeaders)}
    assert set(OTHER_HEADERS) == names - {"part_size"}


@pytest.mark.parametrize("name", list(OTHER_HEADERS))
def test_every_header_counts(name: str) -> None:
    other = msgspec.structs.replace(FULL, **{name: OTHER_HEADERS[name]})
    assert header_differences(FULL, other) == [name]
    assert header_differences(other, FULL) == [name]


def test_headers_that_are_equal() -> None:
    same = msgspec.structs.replace(FULL, metadata={"b": "2", "a": "1"}, part_size=None)
    assert header_differences(FULL, same) == []
    assert header_differences(FULL, ObjectHeaders()) == list(OTHER_HEADERS)


@pytest.mark.parametrize(("size", "failed"), [(3, False), (2, True), (4, True), (0, True)])
def test_a_backup_of_another_size_is_none(size: int, failed: bool) -> None:
    result = size_differs("a.jpg", size, STORED)
    if failed:
        assert result == Result("a.jpg", Outcome.FAILED, f"backup has 3 of {size} bytes")
    else:
        assert result is None


def state(etag: str) -> ObjectState:
    return ObjectState("a.jpg", etag, 3, day(1), None, 0, ObjectHeaders())


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (None, Outcome.DELETED),
        (state('"e"'), Outcome.KEPT),
        (state('"E"'), Outcome.CHANGED),
        (state('"e-1"'), Outcome.CHANGED),
    ],
)
def test_a_delete_whose_answer_was_never_recorded(
    found: ObjectState | None, outcome: Outcome
) -> None:
    result = classify_intent(intent(), found)
    assert (result.key, result.outcome, result.inferred) == ("a.jpg", outcome, True)
    assert result.reason


@pytest.mark.parametrize(
    ("found", "unequal", "outcome", "etag"),
    [
        (None, None, RestoreOutcome.FAILED, None),
        (state('"n"'), None, RestoreOutcome.RESTORED, '"n"'),
        (state('"n"'), "other bytes", RestoreOutcome.NEWER_KEPT, '"n"'),
    ],
)
def test_a_restore_whose_end_was_never_recorded(
    found: ObjectState | None, unequal: str | None, outcome: RestoreOutcome, etag: str | None
) -> None:
    result = classify_restore(RestoreIntent("a.jpg", "OP1"), found, unequal)
    assert result == Restored("a.jpg", "OP1", outcome, etag, result.reason, inferred=True)
    assert result.reason
    if unequal is not None:
        assert result.reason == unequal


def test_the_last_of_the_log_is_chosen_whatever_its_clock_said() -> None:
    """A machine may boot with its clock years ago; what it records then comes last all the same."""
    late = deleted("OP4", deleted_on=-9_000, modified=25)
    assert choose((*ALL, late), None) == late
