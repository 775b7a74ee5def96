"""The names that servers give to transactions (GTID), and how many came after one of them.

MariaDB numbers them within a domain, MySQL by the server on which they were committed, if its
`gtid_mode` is on.
"""

from __future__ import annotations

import re
from struct import Struct
from uuid import UUID

_MARIADB = Struct("<QI")
_MYSQL = Struct("<x16sQ")
_MARIADB_PLACE = re.compile(r"(\d+)-\d+-(\d+)")


def of_mariadb(body: bytes) -> str:
    """Domain and number, from the event that begins a transaction."""
    number, domain = _MARIADB.unpack_from(body)
    return f"{domain}-{number}"


def of_mysql(body: bytes) -> str:
    """Server and number, from the event that begins a transaction."""
    server, number = _MYSQL.unpack_from(body)
    return f"{UUID(bytes=server)}:{number}"


def after_in_mariadb(name: str, written: str) -> int | None:
    """How many came after that one, by `gtid_binlog_pos`. None where there are several domains:
    what came in the others is not known.
    """
    places = _MARIADB_PLACE.findall(written)
    domain, number = name.split("-")
    if len(places) != 1 or places[0][0] != domain:
        return None
    return max(int(places[0][1]) - int(number), 0)


def after_in_mysql(name: str, executed: str) -> int | None:
    """How many came after that one on its server, by `gtid_executed`."""
    server, _, number = name.rpartition(":")
    for of_server in executed.replace("\n", "").split(","):
        found, *spans = of_server.strip().split(":")
        if found == server and spans:
            return max(int(spans[-1].rpartition("-")[2]) - int(number), 0)
    return None
