"""What the operator wrote, validated: TOML file, environment, or `create_config`.

The values are here; they are made by `config_create`, `config_file`, `config_environment` and
`builder`, which check everything by the rules of `config_rules`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from s3gc_core.database_url import DatabaseUrl, Engine


class Mode(StrEnum):
    """What a run may do. Dry run is the default."""

    DRY_RUN = "dry_run"
    AUDIT_ONLY = "audit_only"
    EXECUTE = "execute"


class Caution(StrEnum):
    """Defaults and floors of several settings at once (see `config_caution`)."""

    STANDARD = "standard"
    SAFE = "safe"
    AGGRESSIVE = "aggressive"
    COMPLIANCE = "compliance"


class Heal(StrEnum):
    """What is done when a row refers to a deleted object again. It is said in any case."""

    ALERT = "alert"
    RESTORE = "restore"


class Images(StrEnum):
    """How pictures are backed up: exactly, or as smaller ones, LOSSY, where `vault.compact_rules`
    allow it.
    """

    EXACT = "exact"
    COMPACT = "compact"


# What an operator has to write, word for word, before any picture is stored compact.
IMAGES_SENTENCE = "what is restored of a picture is smaller and worse, and the original is gone"


class CdcOver(StrEnum):
    """How PostgreSQL's stream is read: over a replication connection, or by asking in SQL."""

    REPLICATION = "replication"
    SQL = "sql"


class DatabaseSearch(StrEnum):
    """Where a scan looks for keys of candidates: in every text column, or in tracked ones only."""

    EVERYTHING = "everything"
    TRACKED = "tracked"


class UnsafeStore(StrEnum):
    """What an execution does on a store that deletes an object whatever its ETag is by now.

    `HEAD_COMPARE`: each object is looked at and compared with its backup right before its delete.
    What is overwritten between that look and the delete, some milliseconds, is lost unseen.
    """

    REFUSE = "refuse"
    HEAD_COMPARE = "head-compare-delete"


class Encryption(StrEnum):
    """Whether new backups are encrypted, and how. What is in the vault stays as it is."""

    NONE = "none"
    AGE = "age"


class Durability(StrEnum):
    """When a backup is safe enough for its object to be deleted: on the vault's disk, or once the
    replica has acknowledged it too.
    """

    LOCAL = "local"
    REPLICA = "replica"


class RequestPayer(StrEnum):
    """Who pays for the requests: the bucket's owner, or whoever asks (then said every time)."""

    OWNER = "owner"
    REQUESTER = "requester"


class Checksums(StrEnum):
    """S3's own checksums, besides Content-MD5: `auto` checks those of answers on AWS only."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class Codec(StrEnum):
    """How keys are written in a column (see `references.codecs`)."""

    AUTO = "auto"
    KEY = "key"
    URL = "url"
    JSON = "json"
    TEXT = "text"
    ARRAY = "array"
    CSV = "csv"
    REGEX = "regex"
    TEMPLATE = "template"


# Where nobody says how much of its log a database's server may keep for us.
MAX_KEPT_BYTES = 10 << 30


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """One application database. `url` holds a password and is never shown.

    With `cdc`, references follow the database's change stream; `cdc_backend` then is its engine.
    `cdc_over` is for PostgreSQL behind a pooler that carries no replication connection.
    `max_kept_bytes` is how much of its log the server may keep for the stream; a tenth of that is
    worth a warning.

    With `replica_ok` it may be a replica though objects are deleted by what it says: a reference
    that it has not replayed yet is then overlooked.
    """

    url: str = field(repr=False)
    name: str = "main"
    cdc: bool = False
    cdc_backend: str | None = None
    cdc_over: CdcOver = CdcOver.REPLICATION
    max_kept_bytes: int = MAX_KEPT_BYTES
    replica_ok: bool = False

    @property
    def engine(self) -> Engine:
        """The engine that the URL names."""
        return DatabaseUrl.parse(self.url).engine


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One tracked column of one table, or a template over several columns of its row.

    `may_be_empty` says that a source without any key is no alarm (guard `source-empty`). `path`
    (JSONPath) goes with codec json, `pattern` (a regular expression) with regex, `separator` with
    csv.
    """

    table: str
    columns: tuple[str, ...]
    codec: Codec = Codec.AUTO
    template: str | None = None
    where: str | None = None
    database: str = "main"
    may_be_empty: bool = False
    path: str | None = None
    pattern: str | None = None
    separator: str = ","

    @property
    def name(self) -> str:
        """How the source is called everywhere: `database:table.column`."""
        return f"{self.database}:{self.table}.{self.template or self.columns[0]}"


DRILL_PREFIX = ".s3gc-drill/"

# US dollars: a GiB for a month by storage class, 1,000 requests by kind (AWS, us-east-1).
PRICES = {
    "STANDARD": 0.023,
    "STANDARD_IA": 0.0125,
    "ONEZONE_IA": 0.01,
    "INTELLIGENT_TIERING": 0.023,
    "REDUCED_REDUNDANCY": 0.024,
    "EXPRESS_ONEZONE": 0.11,
    "GLACIER_IR": 0.004,
    "GLACIER": 0.0036,
    "DEEP_ARCHIVE": 0.00099,
    "GET": 0.0004,
    "LIST": 0.005,
    "DELETE": 0.0,
}


@dataclass(frozen=True, slots=True)
class PrefixBudget:
    """What may be deleted under a prefix, within the bucket's budgets. None sets no limit.

    For 24 hours None is what one plan may delete; the share is of the objects under the prefix.
    """

    max_objects: int | None = None
    max_bytes: int | None = None
    max_share: float | None = None
    max_objects_per_day: int | None = None
    max_bytes_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Thresholds of the guards. Shares are 0..1; budgets are per plan, or per 24 hours.

    A budget of 0 for the day is that of one plan. `prefixes` are budgets besides: a key counts for
    every prefix that it begins with.
    """

    max_objects: int = 100_000
    max_bytes: int = 1 << 40
    max_share: float = 0.5
    source_shrunk_share: float = 0.5
    reverse_match_share: float = 0.5
    reverse_match_drop: float = 0.05
    listing_shrunk_share: float = 0.5
    max_objects_per_day: int = 0
    max_bytes_per_day: int = 0
    prefixes: dict[str, PrefixBudget] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """The bucket that holds a second vault; never the one whose objects are judged.

    Credentials come from the usual AWS chain, from its `profile`, or from the environment variables
    that `access_key_env` and `secret_key_env` name.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint_url: str = ""
    # What all its keys begin with; empty, or a folder.
    prefix: str = ""
    expected_bucket_owner: str = ""
    profile: str = ""
    access_key_env: str = ""
    secret_key_env: str = ""
    durability: Durability = Durability.LOCAL


@dataclass(frozen=True, slots=True)
class TokenConfig:
    """Who may use the admin API, for reading or also for writing. The token itself is in the
    environment variable `env`, or in `file`.
    """

    name: str
    env: str = ""
    file: str = ""
    write: bool = False


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Where `s3gc serve` answers requests, in clear text, and whose."""

    host: str = "127.0.0.1"
    port: int = 8473
    tokens: tuple[TokenConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """A complete, valid configuration. Made by `load_config`, `create_config` or the builder.

    `database_search_skip` names tables (`[database:]table`) that the search of everything leaves
    out; over `database_search_max_bytes`, by the databases' estimates, it is not begun.
    `max_database_mb_per_second` (10**6 bytes) slows it down; 0 does not.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint_url: str = ""
    request_payer: RequestPayer = RequestPayer.OWNER
    # The account that has to own the bucket; empty: not asked.
    expected_bucket_owner: str = ""
    checksums: Checksums = Checksums.AUTO
    mode: Mode = Mode.DRY_RUN
    caution: Caution = Caution.STANDARD
    retention_days: int = 7
    exclude_prefixes: tuple[str, ...] = ()
    exclude_patterns: tuple[str, ...] = ()
    cdn_bases: tuple[str, ...] = ()
    url_patterns: tuple[str, ...] = ()
    vault_path: Path = Path("s3gc_vault")
    schedule_cron: str = "02:30"
    # Runs start up to so much later than the schedule says, each vault always by the same time.
    schedule_jitter_seconds: int = 0
    # When `s3gc serve` drills, and how many backups; empty: never.
    drill_cron: str = ""
    drill_sample: int = 20
    databases: tuple[DatabaseConfig, ...] = ()
    sources: tuple[SourceConfig, ...] = ()
    # zstd levels: the first, and how far down it goes where encoding is what all else waits for.
    compression_level: int = 19
    # Equal bytes are stored once.
    deduplicate: bool = True
    compression_floor: int = 3
    # A JPEG is backed up as JPEG XL where that gives back exactly its bytes (extra `images`).
    jpegxl: bool = False
    # Pictures are backed up LOSSY only where `images_acknowledged` is `IMAGES_SENTENCE`.
    images: Images = Images.EXACT
    images_acknowledged: str = ""
    # New backups, for these age public keys, each of which alone opens them (extra `encrypt`).
    encryption: Encryption = Encryption.NONE
    encryption_recipients: tuple[str, ...] = ()
    # The secret keys, needed where backups are restored or verified; empty: they are not here.
    encryption_identity_file: str = ""
    max_concurrency: int = 32
    # Of requests to the object store, and of the bytes of objects both ways (10**6); 0: no limit.
    max_requests_per_second: int = 0
    max_bandwidth_mb_per_second: int = 0
    plan_lifetime_hours: int = 24
    vault_horizon_days: int = 90
    # No database can be restored to an older state (guard `vault-horizon`).
    database_restore_days: int = 35
    # Heads of the audit log are kept in this file, too; empty: only in the vault.
    audit_anchor_file: str = ""
    # The key that signs those heads (extra `sign`), and public keys of others to be trusted.
    anchor_key_file: str = ""
    anchor_public_keys: tuple[str, ...] = ()
    # Where restore drills put objects for a moment: no scan judges what lies there.
    drill_prefix: str = DRILL_PREFIX
    heal: Heal = Heal.ALERT
    # Who approved a plan may not execute it.
    require_second_person: bool = False
    unsafe_store: UnsafeStore = UnsafeStore.REFUSE
    database_search: DatabaseSearch = DatabaseSearch.EVERYTHING
    database_search_max_bytes: int = 50 << 30
    database_search_skip: tuple[str, ...] = ()
    max_database_mb_per_second: int = 0
    guards: GuardLimits = GuardLimits()
    # Where a second vault is kept; None: nowhere.
    replica: ReplicaConfig | None = None
    api: ApiConfig = ApiConfig()
    # What differs from `PRICES`.
    prices: dict[str, float] = field(default_factory=dict, hash=False)
    # Action of the dashboard -> its keys. Only the dashboard knows which there are.
    keys: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def all_prices(self) -> dict[str, float]:
        """The price of everything in `PRICES`."""
        return PRICES | self.prices

    def redacted(self) -> dict[str, object]:
        """All settings as plain values for display and JSON, database URLs without password."""
        values: dict[str, object] = asdict(self)
        values["mode"] = str(self.mode)
        values["caution"] = str(self.caution)
        values["heal"] = str(self.heal)
        values["images"] = str(self.images)
        values["encryption"] = str(self.encryption)
        values["unsafe_store"] = str(self.unsafe_store)
        values["database_search"] = str(self.database_search)
        values["vault_path"] = str(self.vault_path)
        if self.replica is not None:
            values["replica"] = asdict(self.replica) | {"durability": str(self.replica.durability)}
        values["api"] = {
            **asdict(self.api),
            "tokens": {
                token.name: {name: value for name, value in asdict(token).items() if name != "name"}
                for token in self.api.tokens
            },
        }
        values["databases"] = [
            {
                **asdict(database),
                "url": DatabaseUrl.parse(database.url).redacted,
                "cdc_backend": database.cdc_backend and str(database.cdc_backend),
                "cdc_over": str(database.cdc_over),
            }
            for database in self.databases
        ]
        values["sources"] = [
            {**asdict(source), "codec": str(source.codec), "columns": list(source.columns)}
            for source in self.sources
        ]
        for name, value in values.items():
            if isinstance(value, tuple):
                values[name] = list(value)
        return values
