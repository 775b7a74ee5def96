"""What is written and not committed holds what is younger: each part of that, taken out."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_STORY = "tests/stories/test_open_transactions.py::test_"
_ENGINES = "tests/core/databases/test_open_transactions.py::test_"
_STANDBY = "tests/core/databases/test_postgres_obstacles.py::test_"
_POSTGRES = "s3gc_core/databases/postgres_transactions.py"
_MYSQL = "s3gc_core/databases/mysql_transactions.py"

TRANSACTIONS = (
    Mutation(
        "a scan asks for open transactions",
        "s3gc_core/judgement/scan.py",
        "since = None",
        (_STORY + "a_scan_holds_what_is_younger",),
        before="since = await open_since(self.databases)",
    ),
    Mutation(
        "the last check asks for open transactions",
        "s3gc_core/collection/last_check.py",
        "since = None",
        (_STORY + "the_last_check_keeps_what_is_younger",),
        before="since = await open_since(self.databases)",
    ),
    Mutation(
        "a prepared transaction may be of any age",
        _POSTGRES,
        "if False:",
        (
            _ENGINES + "by_what_two_questions_tell",
            _STANDBY + "a_standby_and_what_becomes_of_it",
        ),
        before="if last.is_prepared:",
    ),
    Mutation(
        "a hidden transaction may be as old as the server",
        _POSTGRES,
        "if last.hidden & first.hidden:\n        return last.began",
        (_ENGINES + "a_hidden_transaction_may_be_as_old_as_the_server",),
        before="if last.hidden & first.hidden:\n        return last.started",
    ),
    Mutation(
        "without PROCESS any transaction may be as old as the server",
        _MYSQL,
        "return None",
        (_ENGINES + "mariadb",),
        before="return await _server_start(connection)",
    ),
    Mutation(
        "one prepared by XA may be of any age",
        _MYSQL,
        "if False:",
        (_ENGINES + "mariadb",),
        before="if prepared:",
    ),
)
