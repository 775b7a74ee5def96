"""A proxy before a real S3 server that misbehaves on purpose, one way at a time."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO

import aiohttp
from aiohttp import web
from yarl import URL


@dataclass
class Exchange:
    """One request on its way, and the answer to it once there is one."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    cut_after: int | None = None  # send so many bytes of the answer, then drop the connection
    reset: bool = False  # send no answer at all, and reset the connection


@dataclass
class Proxy:
    """`before` may edit a request, or answer it (set `status`); `after` may edit an answer.

    `early` is asked for method and path before the body was read: whether to reset right there.
    """

    endpoint: str = ""
    seen: list[Exchange] = field(default_factory=list)
    before: Callable[[Exchange], Awaitable[None]] | None = None
    after: Callable[[Exchange], Awaitable[None]] | None = None
    early: Callable[[str, str], bool] | None = None


_OF_THE_CONNECTION = {"connection", "transfer-encoding", "content-length", "expect", "keep-alive"}


@asynccontextmanager
async def running_proxy(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy on a free loopback port. Bodies are held in memory: for small objects only."""
    proxy = Proxy()
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            if proxy.early is not None and proxy.early(request.method, request.raw_path):
                return _reset(request)
            exchange = Exchange(
                request.method, request.raw_path, dict(request.headers), await request.read()
            )
            proxy.seen.append(exchange)
            if proxy.before is not None:
                await proxy.before(exchange)
            if not exchange.status and not exchange.reset:
                await _forward(session, upstream, exchange)
            if proxy.after is not None:
                await proxy.after(exchange)
            if exchange.reset:
                return _reset(request)
            if exchange.cut_after is not None:
                return await _cut(request, exchange)
            # An answer to HEAD keeps the length of the body that it does not have.
            body = None if exchange.method == "HEAD" else exchange.answer
            return web.Response(status=exchange.status, body=body, headers=exchange.answer_headers)

        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            proxy.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield proxy
        finally:
            await runner.cleanup()


def _reset(request: web.Request) -> web.StreamResponse:
    """RST instead of FIN: what is on its way is lost, too."""
    assert request.transport is not None
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
    return web.Response()


async def _cut(request: web.Request, exchange: Exchange) -> web.StreamResponse:
    response = web.StreamResponse(status=exchange.status, headers=exchange.answer_headers)
    response.content_length = len(exchange.answer)
    await response.prepare(request)
    await response.write(exchange.answer[: exchange.cut_after])
    assert request.transport is not None
    request.transport.close()
    return response


async def _forward(session: aiohttp.ClientSession, upstream: str, exchange: Exchange) -> None:
    headers = {k: v for k, v in exchange.headers.items() if k.lower() not in _OF_THE_CONNECTION}
    async with session.request(
        exchange.method,
        URL(upstream + exchange.path, encoded=True),
        headers=headers,
        data=BytesIO(exchange.body),
        skip_auto_headers={"Content-Type"},
        allow_redirects=False,
    ) as answer:
        exchange.status = answer.status
        exchange.answer_headers = {
            k: v for k, v in answer.headers.items() if k.lower() not in _OF_THE_CONNECTION
        }
        if exchange.method == "HEAD" and "Content-Length" in answer.headers:
            exchange.answer_headers["Content-Length"] = answer.headers["Content-Length"]
        exchange.answer = await answer.read()
