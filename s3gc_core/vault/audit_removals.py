"""How many objects we ourselves removed from the bucket, net, since a scan.

By key and not by record: a restore that was killed and repeated is recorded several times, as
recovery finds the same object back each time.
"""

from __future__ import annotations

import sqlite3

_BODY = "CAST(body AS TEXT)"
_OUTCOME = f"json_extract({_BODY}, '$.outcome')"
_WHERE = f"kind IN ('result', 'restored') AND {_OUTCOME} IN ('deleted', 'restored')"
_TOUCHED = f"""
SELECT key, seq, {_OUTCOME} = 'deleted' AS gone FROM audit
WHERE seq > (SELECT coalesce(max(seq), 0) FROM audit WHERE kind = 'scan') AND {_WHERE}
"""
# SQLite takes the other columns from the row of the minimum or maximum ("bare columns").
_LAST = f"SELECT gone, max(seq) FROM ({_TOUCHED}) GROUP BY key"
_GONE_NOW = f"SELECT count(*) FROM ({_LAST}) WHERE gone"
# What the record before the scan says; where there is none, the contrary of what became of it.
_GONE_THEN = f"""
SELECT count(*) FROM (SELECT key, gone, min(seq) AS first FROM ({_TOUCHED}) GROUP BY key) AS since
WHERE coalesce(
    (SELECT {_OUTCOME} = 'deleted' FROM audit AS earlier
    WHERE earlier.key = since.key AND earlier.seq < since.first AND {_WHERE}
    ORDER BY earlier.seq DESC LIMIT 1),
    NOT gone
)
"""


def removed_since_scan(connection: sqlite3.Connection) -> int:
    """Keys deleted since the last recorded scan and not restored, minus those the other way round;
    inferred ones included.
    """
    [(now,)], [(then,)] = (connection.execute(sql).fetchall() for sql in (_GONE_NOW, _GONE_THEN))
    return int(now) - int(then)
