"""Catalogues written straight through the functions a scan writes them with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from s3gc_core.judgement import Judged, LayerVerdict, ObjectVerdict, Verdict
from s3gc_core.judgement import scan_tables as tables
from s3gc_core.judgement.catalogue_version import make_ours
from tests.core.judgement.evidence import NOW, layers, listed

YOUNG = LayerVerdict(Verdict.KEEP, "modified 1 d ago, younger than 7 d")
UNASKED = LayerVerdict(Verdict.UNKNOWN, "the databases did not answer for this key")
LAYERS = {
    ObjectVerdict.ORPHAN: layers(),
    ObjectVerdict.KEEP: layers(database=UNASKED, retention=YOUNG),
    ObjectVerdict.HELD: layers(database=UNASKED),
}


def candidate(
    key: str,
    size: int = 10,
    age: timedelta = timedelta(days=100),
    verdict: ObjectVerdict = ObjectVerdict.ORPHAN,
) -> Judged:
    """A candidate of some age at `NOW`."""
    return Judged(listed(key, size=size, last_modified=NOW - age), verdict, LAYERS[verdict], ())


@contextmanager
def writing(vault: Path) -> Iterator[sqlite3.Connection]:
    """The catalogue as a scan holds it: one connection, one transaction a batch."""
    connection = sqlite3.connect(vault / "catalogue.db", isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        make_ours(connection, vault)
        connection.execute("COMMIT")
        yield connection
    finally:
        connection.close()


def add(connection: sqlite3.Connection, scan_id: str, candidates: Sequence[Judged]) -> None:
    """One committed batch of a scan's candidates."""
    connection.execute("BEGIN")
    tables.add_candidates(connection, scan_id, candidates)
    connection.execute("COMMIT")


def begin(connection: sqlite3.Connection, scan_id: str, at: datetime = NOW) -> None:
    """Begin a scan."""
    connection.execute("BEGIN")
    tables.begin_scan(connection, scan_id, at)
    connection.execute("COMMIT")


def finish(connection: sqlite3.Connection, scan_id: str) -> None:
    """Add up the folders and end the scan."""
    connection.execute("BEGIN")
    tables.add_folders(connection, scan_id)
    tables.finish_scan(connection, scan_id, b"{}")
    connection.execute("COMMIT")


def finished_scan(vault: Path, candidates: Sequence[Judged], scan_id: str = "S1") -> None:
    """A whole scan."""
    with writing(vault) as connection:
        begin(connection, scan_id)
        add(connection, scan_id, candidates)
        finish(connection, scan_id)
