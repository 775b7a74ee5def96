"""The least rights that a configuration needs: a policy for its bucket, and grants per database.

What is not in them is not asked for: a right that is there and not needed is one to lose.
"""

from __future__ import annotations

from dataclasses import dataclass

from s3gc_core.config import Config, DatabaseConfig, DatabaseSearch, Mode, SourceConfig
from s3gc_core.database_url import DatabaseUrl, Engine

# Each request that we send, and the actions that it needs (S3 user guide, "Required permissions for
# Amazon S3 API operations"). Versions: a marker is removed by its version, our probes leave some.
READS = {
    "head_bucket": ("s3:ListBucket",),
    "list_objects_v2": ("s3:ListBucket",),
    "list_multipart_uploads": ("s3:ListBucketMultipartUploads",),
    "list_object_versions": ("s3:ListBucketVersions",),
    "get_bucket_acl": ("s3:GetBucketAcl",),
    "get_bucket_versioning": ("s3:GetBucketVersioning",),
    "get_object_lock_configuration": ("s3:GetBucketObjectLockConfiguration",),
    "head_object": ("s3:GetObject", "s3:GetObjectVersion"),
    "get_object": ("s3:GetObject", "s3:GetObjectVersion"),
    "get_object_tagging": ("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    "get_object_retention": ("s3:GetObjectRetention",),
    "get_object_legal_hold": ("s3:GetObjectLegalHold",),
    "list_parts": ("s3:ListMultipartUploadParts",),
}
WRITES = {
    "put_object": ("s3:PutObject", "s3:PutObjectTagging"),
    "create_multipart_upload": ("s3:PutObject", "s3:PutObjectTagging"),
    "upload_part": ("s3:PutObject",),
    "complete_multipart_upload": ("s3:PutObject",),
    "abort_multipart_upload": ("s3:AbortMultipartUpload",),
    "delete_object": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "delete_objects": ("s3:DeleteObject",),
}
_OF_BUCKET = frozenset(
    {
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
        "s3:ListBucketVersions",
        "s3:GetBucketAcl",
        "s3:GetBucketVersioning",
        "s3:GetBucketObjectLockConfiguration",
    }
)


@dataclass(frozen=True, slots=True)
class SqlGrant:
    """A statement for the administrator of `database`. `only` is the server that it is for (empty:
    any), `why` what needs it.
    """

    database: str
    sql: str
    why: str
    only: str = ""


def bucket_policy(config: Config) -> dict[str, object]:
    """An IAM policy for what the mode may do; what only dry-run mode does needs no right to write.

    Other stores than AWS know fewer actions, and take those that they know.
    """
    operations = READS if config.mode is Mode.DRY_RUN else {**READS, **WRITES}
    actions = {action for needed in operations.values() for action in needed}
    arn = config.bucket if config.bucket.startswith("arn:") else f"arn:aws:s3:::{config.bucket}"
    # Objects behind an access point have a part of their own in their names.
    objects = f"{arn}/object/*" if ":accesspoint/" in arn else f"{arn}/*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "S3gcBucket",
                "Effect": "Allow",
                "Action": sorted(actions & _OF_BUCKET),
                "Resource": arn,
            },
            {
                "Sid": "S3gcObjects",
                "Effect": "Allow",
                "Action": sorted(actions - _OF_BUCKET),
                "Resource": objects,
            },
        ],
    }


def sql_grants(config: Config) -> list[SqlGrant]:
    """What the user of each database's URL needs. SQLite knows no rights: its file has to be read.

    What following changes needs beyond these, `s3gc doctor` tells, as it depends on what is there.
    """
    found: list[SqlGrant] = []
    everything = config.database_search is DatabaseSearch.EVERYTHING
    for database in config.databases:
        sources = [source for source in config.sources if source.database == database.name]
        url = DatabaseUrl.parse(database.url)
        if url.engine is Engine.POSTGRESQL:
            found += _postgres(database, url, sources, everything)
        elif url.engine is Engine.MYSQL:
            found += _mysql(database, url, sources, everything)
    return found


def _postgres(
    database: DatabaseConfig, url: DatabaseUrl, sources: list[SourceConfig], everything: bool
) -> list[SqlGrant]:
    user, name = _quoted(url.user or "s3gc", '"'), database.name
    schemas = sorted({_schema(source.table) for source in sources} or {"public"})
    connect = f"GRANT CONNECT ON DATABASE {_quoted(url.database, chr(34))} TO {user};"
    found = [SqlGrant(name, connect, "to connect")]
    for schema in schemas:
        found.append(SqlGrant(name, f"GRANT USAGE ON SCHEMA {schema} TO {user};", "to see tables"))
        if everything:
            read = f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {user};"
            later = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {user};"
            found.append(SqlGrant(name, read, "to read the tables, and search them all"))
            found.append(SqlGrant(name, later, "for later tables; run by who makes them"))
    if not everything:
        found += [
            SqlGrant(name, f"GRANT SELECT ON {table} TO {user};", "to read the tracked table")
            for table in sorted({source.table for source in sources})
        ]
    why = "to see since when other users' transactions are open: nothing younger is deleted"
    found.append(SqlGrant(name, f"GRANT pg_read_all_stats TO {user};", why))
    return found


def _mysql(
    database: DatabaseConfig, url: DatabaseUrl, sources: list[SourceConfig], everything: bool
) -> list[SqlGrant]:
    account, name = f"'{(url.user or 's3gc').replace(chr(39), chr(39) * 2)}'@'%'", database.name
    schema = _quoted(url.database, "`")
    if everything:
        read = [SqlGrant(name, f"GRANT SELECT ON {schema}.* TO {account};", "to read and search")]
    else:
        read = [
            SqlGrant(
                name,
                f"GRANT SELECT ON {table if '.' in table else f'{schema}.{table}'} TO {account};",
                "to read the tracked table",
            )
            for table in sorted({source.table for source in sources})
        ]
    why = "to tell a replica, by which nothing is deleted"
    open_ones = "to see since when transactions are open: nothing younger is deleted"
    return [
        *read,
        SqlGrant(name, f"GRANT REPLICA MONITOR ON *.* TO {account};", why, only="MariaDB"),
        SqlGrant(name, f"GRANT REPLICATION CLIENT ON *.* TO {account};", why, only="MySQL"),
        SqlGrant(name, f"GRANT PROCESS ON *.* TO {account};", open_ones),
    ]


def _schema(table: str) -> str:
    schema, dot, _ = table.rpartition(".")
    return schema if dot else "public"


def _quoted(name: str, mark: str) -> str:
    return f"{mark}{name.replace(mark, mark * 2)}{mark}"
