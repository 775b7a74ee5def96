"""`s3gc serve`: schedule, follower, drills, replica and admin API in the foreground."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from s3gc_core import log
from s3gc_core.actions.standing import service_of
from s3gc_core.clock import utc_now
from s3gc_core.config import Config
from s3gc_core.config_api import ADMIN_VARIABLE
from s3gc_core.config_file import find_config, load_config, profiles_folder
from s3gc_core.errors import ApiMissing, ConfigurationError, ExitCode, NotServing, Problem
from s3gc_core.service import PRINTED, AdminApi, Profile, ServiceEvent, serve
from s3gc_tui.context import Context
from s3gc_tui.log_lines import learn_secrets

# A service that has written nothing for so long hangs.
_SILENT = timedelta(seconds=60)


async def run(context: Context) -> ExitCode:
    """Serve; or print what starts it elsewhere, or look whether it lives."""
    args = context.args
    if args.prints is not None:
        # A unit that could not start would be no help; the others are for another machine.
        profiles = list(_profiles(context)) if args.prints == "unit" else []
        for line in PRINTED[args.prints](profiles).splitlines():
            context.output.line(line)
        return ExitCode.DONE
    profiles = list(_profiles(context))
    if args.check:
        return await _check(context, profiles)
    context.session().check("serve")

    def told(event: ServiceEvent) -> None:
        words = event.event.replace("-", " ")
        text = ": ".join(filter(None, (f"{event.profile} {words}", event.detail)))
        record = {name: value for name, value in (event.record or {}).items() if name != "type"}
        known = {"type": "service", "profile": event.profile, "service_event": event.event}
        try:
            context.emit({**record, **known, "detail": event.detail, "text": text})
        except BrokenPipeError:
            raise
        except OSError as error:
            # A full disk under our output is no reason to end what it tells of.
            log.warning("service_event_not_told", service_event=event.event, reason=error.strerror)

    await serve(profiles, told, api=_api(profiles))
    return context.summary()


def _api(profiles: list[Profile]) -> AdminApi | None:
    """The admin API, where anybody was given a token; of the profiles with one. Raises
    `ApiMissing`, and `ConfigurationError` where a token is not there or of no use.
    """
    if ADMIN_VARIABLE not in os.environ and not any(p.config.api.tokens for p in profiles):
        return None
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise ApiMissing("the admin API is not installed")
    # Only here: it takes half a second, and needs what an extra installs.
    from s3gc_core.integrations import has_token, serve_api

    @asynccontextmanager
    async def served(profiles: Mapping[str, Config]) -> AsyncIterator[None]:
        open_to = {name: one for name, one in profiles.items() if has_token(one.api, os.environ)}
        async with serve_api(open_to) as url:
            log.info("admin_api_listening", url=url, profiles=sorted(open_to))
            yield

    return served


def _profiles(context: Context) -> Iterator[Profile]:
    """The one that the global options name, and those of --also, or all in the folder."""
    args = context.args
    names = list(dict.fromkeys(args.also))
    if args.all_profiles:
        if args.config is not None or args.profile is not None or names:
            problem = Problem("--all-profiles", "with other profiles", "--all-profiles alone")
            raise ConfigurationError([problem], origin="serve")
        names = sorted(path.stem for path in profiles_folder().glob("*.toml"))
        if not names:
            folder = f"NAME.toml files in {profiles_folder()}"
            raise ConfigurationError([Problem("--all-profiles", "none", folder)], origin="serve")
    elif args.profile is not None and args.config is None:
        names = list(dict.fromkeys([args.profile, *names]))
    else:
        path = find_config(args.config, args.profile).absolute()
        yield Profile(path.stem, ("--config", str(path)), _load(path))
    for name in names:
        yield Profile(name, ("--profile", name), _load(find_config(None, name)))


def _load(path: Path) -> Config:
    config = load_config(path, os.environ)
    learn_secrets(config, os.environ)
    return config


async def _check(context: Context, profiles: list[Profile]) -> ExitCode:
    """Whether a service of each profile lives: for the health checks of containers."""
    for profile in profiles:
        state = await asyncio.to_thread(service_of, profile.config)
        if state is None:
            raise NotServing(f"profile {profile.name} is not served")
        silent = utc_now() - state.heartbeat_at
        if silent > _SILENT:
            seconds = f"{silent.total_seconds():.0f} s"
            raise NotServing(f"the service of profile {profile.name} is silent for {seconds}")
    return context.summary(profiles=[profile.name for profile in profiles])
