"""The admin API inside of somebody's FastAPI application, beside a lifespan of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.routing import Mount

from s3gc_core import log
from s3gc_core.clock import Clock
from s3gc_core.config import Config
from s3gc_core.config_environment import create_config_from_env
from s3gc_core.config_file import find_config, load_config
from s3gc_core.errors import ConfigurationError, Problem, VaultUnreachable
from s3gc_core.integrations.admin import make_admin_app
from s3gc_core.integrations.door import Door
from s3gc_core.service import PROGRAM, Profile, refuse_shared, shared_places

PREFIX = "/admin/s3gc"


def setup_s3gc_plugin(
    app: FastAPI,
    config: Config,
    prefix: str = PREFIX,
    *,
    environ: Mapping[str, str] | None = None,
    program: Sequence[str] = PROGRAM,
    clock: Clock | None = None,
) -> None:
    """Mount the admin API at `prefix`, and close what it opens when the application ends, whatever
    lifespan that has. To be called before the application starts.

    Schedule, followers and drills are `s3gc serve`'s: an application may have many workers.
    Raises `ConfigurationError` where there is no token, or one of no use, and where the vault is
    that of another prefix; when the application starts also where their change stream is one, as
    that of a copied vault is.
    """
    door = _mount(app, config, prefix, environ, program, clock)
    own = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: Any) -> AsyncIterator[Any]:
        # An application may be started again after its end, as tests do.
        door.is_closing = False
        try:
            await _refuse_one_stream(app)
            async with own(started) as state:
                yield state
        finally:
            await door.close()

    app.router.lifespan_context = lifespan


def setup_s3gc_from_env(
    app: FastAPI,
    *,
    tables: Mapping[str, object] | None = None,
    profile: str | None = None,
    prefix: str = PREFIX,
) -> None:
    """As `setup_s3gc_plugin`, configured by the environment, and the `tables` given here; or with
    a `profile` by that file with the environment over it, which has the tables.

    Raises one `ConfigurationError` that lists everything wrong.
    """
    if profile is None:
        config = create_config_from_env(tables=tables)
    elif tables is None:
        config = load_config(find_config(None, profile), os.environ)
    else:
        raise ConfigurationError(
            [Problem("tables", "given beside a profile", "either; a profile has its own [tables]")]
        )
    setup_s3gc_plugin(app, config, prefix)


@asynccontextmanager
async def s3gc_lifespan(
    app: FastAPI,
    config: Config,
    prefix: str = PREFIX,
    *,
    environ: Mapping[str, str] | None = None,
    program: Sequence[str] = PROGRAM,
    clock: Clock | None = None,
) -> AsyncIterator[None]:
    """The same within a lifespan that is written by hand: mounted as long as the block lasts."""
    door = _mount(app, config, prefix, environ, program, clock)
    try:
        await _refuse_one_stream(app)
        yield
    finally:
        await door.close()
        _unmount(app, prefix, door)


def get_s3gc_config(app: FastAPI, prefix: str = PREFIX) -> Config:
    """The configuration behind the admin API at `prefix`. Raises `LookupError`."""
    config: Config = app.state.s3gc[prefix].config
    return config


def _mount(
    app: FastAPI,
    config: Config,
    prefix: str,
    environ: Mapping[str, str] | None,
    program: Sequence[str],
    clock: Clock | None,
) -> Door:
    if not prefix.startswith("/") or prefix.endswith("/"):
        raise ConfigurationError([Problem("prefix", repr(prefix), 'a path, such as "/admin/s3gc"')])
    if not hasattr(app.state, "s3gc"):
        app.state.s3gc = {}
    if prefix in app.state.s3gc:
        # The first would be asked for both.
        problem = Problem("prefix", repr(prefix), "a prefix for each configuration")
        raise ConfigurationError([problem], origin="admin API")
    if problems := shared_places({**_configs(app), prefix: config}):
        raise ConfigurationError(problems, origin="admin API")
    admin = make_admin_app(config, environ=environ, program=program, clock=clock)
    app.mount(prefix, admin)
    door: Door = admin.state.door
    app.state.s3gc[prefix] = door
    return door


def _unmount(app: FastAPI, prefix: str, door: Door) -> None:
    del app.state.s3gc[prefix]
    ours = [r for r in app.router.routes if isinstance(r, Mount) and _door_of(r) is door]
    for route in ours:
        app.router.routes.remove(route)


def _door_of(route: Mount) -> object:
    return getattr(getattr(route.app, "state", None), "door", None)


def _configs(app: FastAPI) -> dict[str, Config]:
    return {prefix: door.config for prefix, door in app.state.s3gc.items()}


async def _refuse_one_stream(app: FastAPI) -> None:
    """Raise `ConfigurationError` where two prefixes share what each must have alone."""
    configs = _configs(app)
    if len(configs) < 2:
        return
    try:
        await refuse_shared([Profile(prefix, (), config) for prefix, config in configs.items()])
    except VaultUnreachable as error:
        # The application begins without it: what asks that vault is refused, and says why.
        log.warning("change_streams_not_compared", what=error.what)
