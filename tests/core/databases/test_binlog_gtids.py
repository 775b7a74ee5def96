"""What servers call transactions, and how many came after one."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest

from s3gc_core.databases.binlog_gtids import (
    after_in_mariadb,
    after_in_mysql,
    of_mariadb,
    of_mysql,
)

SERVER = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
OTHER = "99999999-71ca-11e1-9e33-c80aa9429562"


def test_the_name_is_in_the_event() -> None:
    assert of_mariadb(struct.pack("<QI", (1 << 40) + 5, 3) + bytes(7)) == f"3-{(1 << 40) + 5}"
    assert of_mysql(b"\x01" + UUID(SERVER).bytes + struct.pack("<Q", 77)) == f"{SERVER}:77"


@pytest.mark.parametrize(
    ("written", "after"),
    [
        ("0-1-100", 58),
        # Another server of the same domain went on with it.
        ("0-2-43", 1),
        ("0-1-42", 0),
        ("0-1-7", 0),
        # What came in the other domain is not known; nor in ours.
        ("0-1-100,1-1-5", None),
        ("1-1-100", None),
        ("", None),
    ],
)
def test_after_one_of_mariadb(written: str, after: int | None) -> None:
    assert after_in_mariadb("0-42", written) == after


@pytest.mark.parametrize(
    ("executed", "after"),
    [
        (f"{SERVER}:1-100", 58),
        (f"{OTHER}:1-9,\n{SERVER}:1-5:7-45", 3),
        (f"{SERVER}:43", 1),
        (f"{SERVER}:1-7", 0),
        (f"{OTHER}:1-100", None),
        ("", None),
    ],
)
def test_after_one_of_mysql(executed: str, after: int | None) -> None:
    assert after_in_mysql(f"{SERVER}:42", executed) == after
