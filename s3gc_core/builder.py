"""The same configuration, step by step:

    config = build_config(
        pipe(
            create_empty_config(),
            partial(with_bucket, bucket="photos"),
            partial(scan_table, table="users", columns=["avatar"]),
            partial(enable_cdc, backend="postgresql", url=url),
            execute_mode,
        )
    )

Each function takes a draft and gives a new one. Nothing is checked before `build_config`, which
then reports everything wrong at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from types import MappingProxyType
from typing import cast

from s3gc_core.config import Config, Mode
from s3gc_core.config_create import Settings, create_config


@dataclass(frozen=True, slots=True)
class ConfigDraft:
    """Settings so far, unchecked. They may hold a password, so they are not shown."""

    settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def having(self, **settings: object) -> ConfigDraft:
        """The draft with these settings set."""
        return ConfigDraft(MappingProxyType({**self.settings, **settings}))


Step = Callable[[ConfigDraft], ConfigDraft]


def create_empty_config() -> ConfigDraft:
    """A draft with nothing set."""
    return ConfigDraft()


def pipe(draft: ConfigDraft, *steps: Step) -> ConfigDraft:
    """The draft after each of the steps, in order."""
    for step in steps:
        draft = step(draft)
    return draft


def build_config(draft: ConfigDraft) -> Config:
    """The valid configuration. Raises one `ConfigurationError` with everything wrong."""
    # An unchecked draft is what create_config checks: the cast only hands the names over.
    return create_config(**cast(Settings, dict(draft.settings)))


def with_bucket(draft: ConfigDraft, bucket: str) -> ConfigDraft:
    """The bucket to keep clean."""
    return draft.having(bucket=bucket)


def with_region(draft: ConfigDraft, region: str) -> ConfigDraft:
    """The bucket's region."""
    return draft.having(region=region)


def with_endpoint(draft: ConfigDraft, endpoint_url: str) -> ConfigDraft:
    """An object store other than AWS."""
    return draft.having(endpoint_url=endpoint_url)


def with_database(
    draft: ConfigDraft, url: str, name: str = "main", *, cdc: bool = False
) -> ConfigDraft:
    """One more application database."""
    databases = _several(draft.settings.get("databases", ()))
    return draft.having(databases=(*databases, {"url": url, "name": name, "cdc": cdc}))


def scan_table(
    draft: ConfigDraft, table: str, columns: str | Sequence[str | Mapping[str, object]]
) -> ConfigDraft:
    """More tracked columns of a table; entries as under `tables` of `create_config`."""
    tables = cast(Mapping[str, tuple[object, ...]], draft.settings.get("tables", {}))
    added = (*tables.get(table, ()), *_several(columns))
    return draft.having(tables={**tables, table: added})


def exclude_prefixes(draft: ConfigDraft, prefixes: str | Sequence[str]) -> ConfigDraft:
    """More prefixes of keys that are never touched."""
    return _more(draft, "exclude_prefixes", prefixes)


def exclude_patterns(draft: ConfigDraft, patterns: str | Sequence[str]) -> ConfigDraft:
    """More shell globs of keys that are never touched."""
    return _more(draft, "exclude_patterns", patterns)


def retention_days(draft: ConfigDraft, days: int) -> ConfigDraft:
    """Days that an object is kept after its upload and after its last reference."""
    return draft.having(retention_days=days)


def enable_vault(draft: ConfigDraft, path: str | PathLike[str]) -> ConfigDraft:
    """The folder of backups and audit log."""
    return draft.having(vault_path=path)


def enable_cdc(draft: ConfigDraft, backend: str, url: str, over: str | None = None) -> ConfigDraft:
    """Follow the changes of the database at `url`; `over` is PostgreSQL's `cdc_over`."""
    return draft.having(cdc_backend=backend, cdc_connection_url=url, cdc_over=over)


def schedule_daily(draft: ConfigDraft, time: str = "02:30") -> ConfigDraft:
    """When unattended runs start: `HH:MM`, UTC."""
    return draft.having(schedule_cron=time)


def dry_run_mode(draft: ConfigDraft) -> ConfigDraft:
    """Only look."""
    return draft.having(mode=Mode.DRY_RUN)


def audit_only_mode(draft: ConfigDraft) -> ConfigDraft:
    """Look and record; delete nothing."""
    return draft.having(mode=Mode.AUDIT_ONLY)


def execute_mode(draft: ConfigDraft) -> ConfigDraft:
    """Deletion of approved plans is allowed."""
    return draft.having(mode=Mode.EXECUTE)


def _more(draft: ConfigDraft, setting: str, added: object) -> ConfigDraft:
    before = _several(draft.settings.get(setting, ()))
    return draft.having(**{setting: (*before, *_several(added))})


def _several(value: object) -> tuple[object, ...]:
    """A list's entries; anything else is one entry, so that no text falls apart into letters."""
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)
