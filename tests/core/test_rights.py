"""The least rights: every request has its action, and a user with exactly the grants can work."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import s3gc_core.bucket
from s3gc_core import create_config
from s3gc_core.actions.rights import READS, WRITES, bucket_policy, sql_grants
from s3gc_core.config import Mode
from s3gc_core.database_url import DatabaseUrl, Engine
from s3gc_core.errors import S3gcError
from tests.world import World

# What no policy for one bucket can grant, and what only tests do.
_ELSEWHERE = {"list_buckets", "create_bucket"}


def actions(mode: Mode, bucket: str = "photos") -> dict[str, set[str]]:
    policy: Any = bucket_policy(create_config(bucket=bucket, mode=mode))
    return {one["Resource"]: set(one["Action"]) for one in policy["Statement"]}


def test_every_request_that_is_sent_has_its_action() -> None:
    folder = Path(s3gc_core.bucket.__file__ or "").parent
    text = "".join(path.read_text() for path in sorted(folder.glob("*.py")))
    sent = set(re.findall(r"\bs3\.([a-z_0-9]+)\(", text)) - _ELSEWHERE
    assert len(sent) > 15
    assert sent <= {*READS, *WRITES}


def test_dry_run_may_not_write() -> None:
    dry = actions(Mode.DRY_RUN)
    assert set(dry) == {"arn:aws:s3:::photos", "arn:aws:s3:::photos/*"}
    granted = set().union(*dry.values())
    assert not [action for action in granted if re.match("s3:(Put|Delete|Abort)", action)]
    more = set().union(*actions(Mode.EXECUTE).values()) - granted
    assert more == {
        "s3:PutObject",
        "s3:PutObjectTagging",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:AbortMultipartUpload",
    }
    assert not [action for action in granted | more if "*" in action]


def test_grants_quote_and_do_not_say_the_password() -> None:
    config = create_config(
        bucket="photos",
        databases=[
            {"url": "postgresql://ap%22p:Hunter9@db/sh%22op", "name": "a"},
            {"url": "mysql://a%27b:Hunter9@db/shop", "name": "b"},
            {"url": "sqlite:///app.db", "name": "c"},
        ],
        database_search="tracked",
        tables={
            "media.files": [{"column": "path", "database": "a"}],
            "pictures": [{"column": "path", "database": "b"}],
        },
    )
    told = [(grant.database, grant.only, grant.sql) for grant in sql_grants(config)]
    assert told == [
        ("a", "", 'GRANT CONNECT ON DATABASE "sh""op" TO "ap""p";'),
        ("a", "", 'GRANT USAGE ON SCHEMA media TO "ap""p";'),
        ("a", "", 'GRANT SELECT ON media.files TO "ap""p";'),
        ("a", "", 'GRANT pg_read_all_stats TO "ap""p";'),
        ("b", "", "GRANT SELECT ON `shop`.pictures TO 'a''b'@'%';"),
        ("b", "MariaDB", "GRANT REPLICA MONITOR ON *.* TO 'a''b'@'%';"),
        ("b", "MySQL", "GRANT REPLICATION CLIENT ON *.* TO 'a''b'@'%';"),
        ("b", "", "GRANT PROCESS ON *.* TO 'a''b'@'%';"),
    ]


# What is said where a grant is missing, by what it grants.
MISSING = {
    "CONNECT": "permission denied for database",
    "USAGE": "there is no table 'files'",
    "ON ALL TABLES": "the right SELECT on table 'files' is missing",
    "DEFAULT PRIVILEGES": "unsearched:main:public.newer.note",
    "SELECT ON `": "Access denied for user",
    "REPLICA MONITOR": "the right REPLICA MONITOR is missing",
    "pg_read_all_stats": "younger than a transaction that may be open",
    "PROCESS": "younger than a transaction that may be open",
}


async def cycle(world: World) -> str:
    """What went wrong in a whole cycle, for a person; empty where nothing did."""
    try:
        summary = await world.scan()
        if summary.blocked:
            return " ".join(trip.label for trip in summary.blocked)
        if summary.plan_id is None:
            return " ".join(judged.reason for judged in (await world.judged()).values())
        await world.execute(summary.plan_id)
    except S3gcError as error:
        return f"{error.name}: {error.what}"
    return ""


def reverse(sql: str) -> str:
    return sql.replace("GRANT", "REVOKE").replace(" TO ", " FROM ")


async def test_exactly_these_grants_are_enough_and_each_is_needed(world: World) -> None:
    app, url = world.app, DatabaseUrl.parse(world.app.url)
    if url.engine is Engine.SQLITE:
        return  # it knows no rights
    is_postgres = url.engine is Engine.POSTGRESQL
    user = f"least_{url.database}"
    await app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path VARCHAR(99))")
    await app.execute("INSERT INTO files VALUES (1, 'a/used.jpg')")
    login = "ROLE {} LOGIN PASSWORD 'pw'" if is_postgres else "USER {} IDENTIFIED BY 'pw'"
    await app.execute(f"CREATE {login.format(user)}")
    if is_postgres:
        # What every role has of itself would hide what is missing.
        await app.execute(f'REVOKE ALL ON DATABASE "{url.database}" FROM PUBLIC')
        await app.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    try:
        limited = replace(url, user=user, password="pw").render()
        world.track({"files": ["path"]}, database=limited)
        grants = [g.sql for g in sql_grants(world.config) if g.only in ("", "MariaDB")]
        for sql in grants:
            await app.execute(sql)
        await app.execute("CREATE TABLE later (id INTEGER PRIMARY KEY, note VARCHAR(99))")
        for key in ("a/used.jpg", "a/gone.jpg"):
            await world.put(key)
        world.days(8)
        for sql in grants:
            await app.execute(reverse(sql))
            if "DEFAULT" in sql:
                await app.execute("CREATE TABLE newer (id INTEGER PRIMARY KEY, note VARCHAR(99))")
            if "pg_read_all_stats" in sql:
                # Of another user, who is in no hurry.
                await app.execute("BEGIN")
            told = await cycle(world)
            if "pg_read_all_stats" in sql:
                await app.execute("ROLLBACK")
            [expected] = [words for what, words in MISSING.items() if what in sql]
            assert expected in told, (sql, told)
            assert await world.keys() == {"a/used.jpg", "a/gone.jpg"}
            if "DEFAULT" in sql:
                await app.execute("DROP TABLE newer")
            await app.execute(sql)
        assert await cycle(world) == ""
        assert await world.keys() == {"a/used.jpg"}
    finally:
        if is_postgres:
            await app.execute(f"DROP OWNED BY {user}")
        await app.execute(f"DROP {'ROLE' if is_postgres else 'USER'} {user}")
