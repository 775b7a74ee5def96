"""The admin API by itself: what `s3gc serve` answers requests with."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from s3gc_core.clock import Clock
from s3gc_core.config import Config
from s3gc_core.errors import ApiNotListening, ConfigurationError, Problem
from s3gc_core.integrations.admin import of_http
from s3gc_core.integrations.connections import Connection
from s3gc_core.integrations.plugin import PREFIX, setup_s3gc_plugin
from s3gc_core.service import PROGRAM

# How long answers that are under way may take once it is to end.
ENDING_SECONDS = 5


class _Server(uvicorn.Server):
    """Signals are the service's own: it ends this when it ends itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


@asynccontextmanager
async def serve_api(
    profiles: Mapping[str, Config],
    *,
    environ: Mapping[str, str] | None = None,
    program: Sequence[str] = PROGRAM,
    clock: Clock | None = None,
) -> AsyncIterator[str]:
    """Answer requests as long as the block lasts; yields the URL that it listens at.

    One profile is at `PREFIX`, each of several below it by its name. In clear text: beyond this
    machine TLS belongs before it. Raises `ConfigurationError` where there is no token, or where
    profiles are to be served in different places, and `ApiNotListening`.
    """
    host, port = _address(profiles)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    # What is below no profile's prefix, such as a path with a line's end in it.
    app.add_exception_handler(HTTPException, of_http)
    environ = os.environ if environ is None else environ
    for name, config in profiles.items():
        prefix = PREFIX if len(profiles) == 1 else f"{PREFIX}/{name}"
        setup_s3gc_plugin(app, config, prefix, environ=environ, program=program, clock=clock)
    with _listening(host, port) as listener:
        server = _Server(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=ENDING_SECONDS,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await _until_started(server, serving)
            shown = f"[{host}]" if ":" in host else host
            yield f"http://{shown}:{listener.getsockname()[1]}"
        finally:
            # What tells events ends by itself as soon as it sees this.
            for door in app.state.s3gc.values():
                door.is_closing = True
            server.should_exit = True
            await serving


async def _until_started(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    while not server.started:
        if serving.done():
            await serving
            raise ApiNotListening("the admin API ended while it started")
        await asyncio.sleep(0.01)


def _address(profiles: Mapping[str, Config]) -> tuple[str, int]:
    places = {name: (config.api.host, config.api.port) for name, config in profiles.items()}
    if len(set(places.values())) != 1:
        said = ", ".join(f"{host}:{port} of {name}" for name, (host, port) in places.items())
        allowed = "the same host and port for all profiles of one service"
        raise ConfigurationError([Problem("api", said or "no profile", allowed)], origin="serve")
    return next(iter(places.values()))


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket, bound here: uvicorn would end the process where it cannot."""
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
        )
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ApiNotListening(f"cannot listen at {host}:{port}: {reason}") from error
    with listener:
        yield listener
