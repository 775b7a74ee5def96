"""`s3gc status --all`: a line for each profile, and loudly what two of them must not share."""

from __future__ import annotations

import os

from s3gc_core.actions.standing import Status
from s3gc_core.collector import Collector
from s3gc_core.config import Config
from s3gc_core.config_file import load_config, profiles_folder
from s3gc_core.errors import ConfigurationError, ExitCode, Problem, S3gcError
from s3gc_core.service import Profile, shared
from s3gc_tui.context import Context
from s3gc_tui.log_lines import learn_secrets


async def run(context: Context) -> ExitCode:
    """Emit how each profile stands. One that cannot be looked at does not hide the others.

    Raises `ConfigurationError` in the end where a profile is not usable, or two share something.
    """
    args = context.args
    if args.config is not None or args.profile is not None:
        problem = Problem("--all", "with --config or --profile", "--all alone")
        raise ConfigurationError([problem], origin="status")
    paths = sorted(profiles_folder().glob("*.toml"))
    problems: list[Problem] = []
    profiles: list[Profile] = []
    failed = 0
    for path in paths:
        name = path.stem
        try:
            config = load_config(path, os.environ)
        except ConfigurationError as error:
            problems += [
                Problem(f"{name}: {p.setting}", p.value, p.allowed) for p in error.problems
            ]
            _emit(context, name, "unusable", problems=[str(p) for p in error.problems])
            continue
        learn_secrets(config, os.environ)
        try:
            async with Collector.open(config, session=context.session()) as collector:
                _tell(context, name, config, await collector.status())
            # Of a vault that cannot be opened nobody can tell what it has in common with others.
            profiles.append(Profile(name, ("--profile", name), config))
        except S3gcError as error:
            failed += 1
            _emit(context, name, error.name, bucket=config.bucket, problem=error.what)
    problems += await shared(profiles)
    if problems:
        raise ConfigurationError(problems, origin="profiles")
    return context.summary("partial" if failed else "done", profiles=len(paths), failed=failed)


def _tell(context: Context, name: str, config: Config, status: Status) -> None:
    scan = status.last_scan
    blocked = [trip.label for trip in scan.blocked] if scan else []
    _emit(
        context,
        name,
        "blocked" if blocked else "running" if status.holder else "idle",
        bucket=config.bucket,
        mode=status.mode,
        caution=str(config.caution),
        running=status.holder.what if status.holder else None,
        last_scan_at=scan.finished_at if scan else None,
        orphans=scan.orphans if scan else None,
        blocked=blocked,
        plans_waiting=len(status.waiting),
        to_recover=status.to_recover,
        serving=status.service is not None,
    )


def _emit(context: Context, name: str, state: str, **fields: object) -> None:
    said = ", ".join(
        f"{field.replace('_', ' ')} {value}"
        for field, value in fields.items()
        if value not in (None, [], False)
    )
    record = {"type": "profile", "profile": name, "state": state, **fields}
    context.emit({**record, "text": f"{name}: {state}" + (f" ({said})" if said else "")})
