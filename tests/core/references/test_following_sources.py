"""Which conditions a row decides by itself: others may be met, or not, without any change."""

from __future__ import annotations

import pytest

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.references import BucketNames
from s3gc_core.references.following_sources import definition_digest, is_decided_by_row

OF_ROW = [
    None,
    "",
    "  ",
    "kind = 'image'",
    "kind <> 'image' AND size >= 10.5",
    "NOT deleted",
    "not (deleted or hidden)",
    "deleted IS NULL",
    "kind IN ('image', 'video')",
    "kind in('image')",
    "name LIKE 'now_%' OR size BETWEEN 1 AND 2",
    "name LIKE '%.jpg'",
    "p.kind = 'image'",
    "\"Kind\" = 'it''s'",
    '"a ""b""" = 1',
    "`kind` = 'image' and `p`.`size` != 0",
    '"user" = 1',
    "created < '2024-01-01'",
    "state = 'unknown'",
    "state = 'known now'",
    "(a = 1 AND b = 2) OR c",
    "kind = ''",
]
# The names that are not a row's in these are harmless: refused all the same.
REFUSED = {"name LIKE 'now_%' OR size BETWEEN 1 AND 2", "state = 'known now'"}

NOT_OF_ROW = [
    "created < now()",
    "created < NOW ()",
    "created < 'now'",
    "created < 'Today '",
    "created < ' TOMORROW'",
    "created < 'yesterday'",
    "created < 'allballs today'",
    "created < '12:00,now'",
    "created < ''now'",
    "created < 'no' 'w'",
    "created < 'no'\n'w'",
    'created < "now"()',
    'created < pg_catalog."now" ()',
    "`f` () = 1",
    "id IN (SELECT id FROM kept)",
    "EXISTS (SELECT 1 FROM kept)",
    "id = ANY (ids)",
    "lower(kind) = 'image'",
    "kind = E'a'",
    "created < DATE '2024-01-01'",
    "created < timestamp'now'",
    "kind = 'a\\'",
    'kind = "a\\"',
    "kind ~ 'a'",
    "kind = 'a' -- comment",
    "kind = 'a' /* comment */",
    "kind = 'a' # comment",
    "kind = 'a'; DROP TABLE t",
    "day = CURRENT_DATE",
    "at < current_timestamp",
    "at < LocalTimestamp",
    "at < utc_timestamp",
    "owner = current_user",
    "owner = session_user",
    "owner = user",
    "ctid = '(0,1)'",
    "\"ctid\" = '(0,1)'",
    "`xmin` = 5",
    "tableoid = 5",
    "xmax = 0",
    "CASE WHEN a THEN b END",
    "a = @variable",
    "a = $1",
    "a = $$now$$",
    "a::date = 'x'",
    "a + 1 = 2",
    "kind = 'unclosed",
    'kind = "unclosed',
    "kind = `unclosed",
    "größe = 1",
    "kind = :name",
    "a COLLATE x = 'b'",
    "a = interval",
]


@pytest.mark.parametrize("where", [one for one in OF_ROW if one not in REFUSED])
def test_a_row_decides(where: str | None) -> None:
    assert is_decided_by_row(where)


@pytest.mark.parametrize("where", [*NOT_OF_ROW, *sorted(REFUSED)])
def test_more_than_the_row_decides(where: str) -> None:
    assert not is_decided_by_row(where)
    assert not is_decided_by_row(f"kind = 'image' AND ({where})")


def test_a_definition_changes_with_what_edges_follow_from() -> None:
    source = SourceConfig("pics", ("image",), Codec.KEY)
    names = BucketNames("bucket")
    same = SourceConfig("pics", ("image",), Codec.KEY)
    assert definition_digest(source, names) == definition_digest(same, names)
    others = [
        definition_digest(SourceConfig("pics", ("thumb",), Codec.KEY), names),
        definition_digest(SourceConfig("pics", ("image",), Codec.URL), names),
        definition_digest(SourceConfig("pics", ("image",), Codec.KEY, where="a"), names),
        definition_digest(source, BucketNames("other")),
    ]
    assert len({definition_digest(source, names), *others}) == 5
