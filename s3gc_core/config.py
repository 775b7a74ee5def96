"""What the operator wrote, validated: TOML file, environment, or `create_config`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Mode(StrEnum):
    """What a run may do. Dry run is the default."""

    DRY_RUN = "dry_run"
    AUDIT_ONLY = "audit_only"
    EXECUTE = "execute"


class Codec(StrEnum):
    """How keys are written in a column (see `references.codecs`)."""

    AUTO = "auto"
    KEY = "key"
    URL = "url"
    JSON = "json"
    TEXT = "text"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """One application database. `url` holds a password and is never shown."""

    url: str = field(repr=False)
    name: str = "main"
    cdc: bool = False
    cdc_backend: str | None = None


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One tracked column of one table, or a template over several columns of its row.

    `may_be_empty` says that a source without any key is no alarm (guard `source-empty`).
    """

    table: str
    columns: tuple[str, ...]
    codec: Codec = Codec.AUTO
    template: str | None = None
    where: str | None = None
    database: str = "main"
    may_be_empty: bool = False

    @property
    def name(self) -> str:
        """How the source is called everywhere: `database:table.column`."""
        return f"{self.database}:{self.table}.{self.template or self.columns[0]}"


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Thresholds of the guards. Shares are 0..1; budgets are per plan."""

    max_objects: int = 100_000
    max_bytes: int = 1 << 40
    max_share: float = 0.5
    source_shrunk_share: float = 0.5
    listing_shrunk_share: float = 0.5


@dataclass(frozen=True, slots=True)
class Config:
    """A complete, valid configuration. Made by `load_config`, `create_config` or the builder."""

    bucket: str
    region: str = "us-east-1"
    endpoint_url: str = ""
    mode: Mode = Mode.DRY_RUN
    retention_days: int = 7
    exclude_prefixes: tuple[str, ...] = ()
    exclude_patterns: tuple[str, ...] = ()
    cdn_bases: tuple[str, ...] = ()
    vault_path: Path = Path("s3gc_vault")
    schedule_cron: str = "02:30"
    databases: tuple[DatabaseConfig, ...] = ()
    sources: tuple[SourceConfig, ...] = ()
    compression_level: int = 19
    max_concurrency: int = 32
    plan_lifetime_hours: int = 24
    vault_horizon_days: int = 90
    guards: GuardLimits = GuardLimits()
