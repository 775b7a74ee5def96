"""Connections that ask nothing are closed, and there are never too many."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from s3gc_core.config import Config
from s3gc_core.integrations import connections, serve_api
from s3gc_core.integrations.door import Door
from tests.api.asking import ENVIRON
from tests.servers.process import free_port

HEALTH = b"GET /admin/s3gc/health HTTP/1.1\r\nHost: x\r\n"
BODY = b"POST /admin/s3gc/run HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
MOST = 4
Connected = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def url(quiet: Config, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", MOST)
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.05)
    config = replace(quiet, api=replace(quiet.api, port=free_port()))
    async with serve_api({"a": config}, environ=ENVIRON) as url:
        yield url


async def connect(url: str) -> Connected:
    place = urlsplit(url)
    return await asyncio.open_connection(place.hostname, place.port)


async def answer(connected: Connected) -> bytes:
    """All that comes until it is closed; nothing where it is reset."""
    reader, writer = connected
    async with asyncio.timeout(30):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.mark.parametrize("sent", [b"", b"GET /admin", HEALTH, BODY], ids=repr)
async def test_what_never_becomes_a_request_is_closed(url: str, sent: bytes) -> None:
    connected = await connect(url)
    connected[1].write(sent)
    told = await answer(connected)
    # Without a token a body is not waited for.
    assert told == b"" or b" 401 " in told.splitlines()[0]


async def test_a_second_request_that_never_comes_whole(url: str) -> None:
    connected = await connect(url)
    connected[1].write(HEALTH + b"\r\n")
    assert b" 200 " in await connected[0].readline()
    connected[1].write(HEALTH)
    assert b'"status":"ok"' in await answer(connected)


async def test_an_answer_that_takes_long_is_waited_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(_: Door) -> list[str]:
        await asyncio.sleep(4 * connections.REQUEST_SECONDS)
        return []

    monkeypatch.setattr(Door, "_look", slow)
    connected = await connect(url)
    connected[1].write(HEALTH + b"Connection: close\r\n\r\n")
    assert b" 200 " in (await answer(connected)).splitlines()[0]


async def test_so_many_and_no_more(url: str) -> None:
    idle = [await connect(url) for _ in range(MOST)]
    refused = await connect(url)
    refused[1].write(HEALTH + b"Connection: close\r\n\r\n")
    assert await answer(refused) == b""
    # They ask nothing: soon there is room again.
    assert [await answer(one) for one in idle] == [b""] * MOST
    again = await connect(url)
    again[1].write(HEALTH + b"Connection: close\r\n\r\n")
    assert b" 200 " in (await answer(again)).splitlines()[0]
