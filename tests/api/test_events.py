"""What an operation tells while it runs, over a real connection: resumed, bounded, let go of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from s3gc_core.config import Config
from s3gc_core.integrations import PREFIX, serve_api
from s3gc_core.integrations import door as doors
from tests.api.asking import ENVIRON, READ, SECONDS
from tests.core.jobs.journals import FIRST, kept
from tests.servers.process import free_port

PATH = f"{PREFIX}/operations/{FIRST}/events"


@asynccontextmanager
async def listening(quiet: Config) -> AsyncIterator[httpx.AsyncClient]:
    config = replace(quiet, api=replace(quiet.api, port=free_port()))
    headers = {"Authorization": f"Bearer {READ}"}
    async with (
        serve_api({"a": config}, environ=ENVIRON) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=SECONDS) as client,
    ):
        yield client


async def lines_until(lines: AsyncIterator[str], last: str) -> list[str]:
    """Its lines, up to and with one that begins so."""
    found: list[str] = []
    async with asyncio.timeout(SECONDS):
        async for line in lines:
            found.append(line)
            if line.startswith(last):
                return found
    raise AssertionError(found)


def kinds(lines: list[str]) -> list[str]:
    return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


async def test_it_is_told_as_it_happens_and_gone_on_with(quiet: Config) -> None:
    quiet.vault_path.mkdir(mode=0o700)
    async with listening(quiet) as client:
        async with kept(quiet.vault_path) as journal:
            async with client.stream("GET", PATH) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                lines = answer.aiter_lines()
                first = await lines_until(lines, "id: ")
                # It waits for this to happen: nothing else comes in between.
                journal.object_ended("failed", "a\x7f\u202eb", "refused")
                second = await lines_until(lines, "id: ")
            assert (kinds(first), kinds(second)) == (["began"], ["object"])
            data = next(line for line in second if line.startswith("data: "))
            assert data.isascii()
            assert data.isprintable()
            assert json.loads(data.removeprefix("data: "))["subject"] == "failed"
            seen = second[-1].removeprefix("id: ")
        # It has ended; whoever was cut off hears the rest, and that this is the end.
        async with client.stream("GET", PATH, headers={"Last-Event-ID": seen}) as answer:
            rest = await lines_until(answer.aiter_lines(), 'data: {"standing')
        assert kinds(rest) == ["ended", "end"]


async def test_so_many_may_listen_and_who_goes_makes_room(
    quiet: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "STREAMS", 2)
    quiet.vault_path.mkdir(mode=0o700)
    async with kept(quiet.vault_path), listening(quiet) as client:
        async with AsyncExitStack() as stack:
            # Held: what nobody holds is closed, and with it the connection.
            held = []
            for _ in range(2):
                answer = await stack.enter_async_context(client.stream("GET", PATH))
                held.append(answer.aiter_lines())
                await lines_until(held[-1], "id: ")
            refused = await client.get(PATH)
            assert (refused.status_code, refused.json()["error"]) == (429, "too-many-streams")
        async with asyncio.timeout(SECONDS):
            while True:
                async with client.stream("GET", PATH) as answer:
                    if answer.status_code == 200:
                        break


async def test_a_vault_that_cannot_be_opened_is_told_without_a_token(quiet: Config) -> None:
    quiet.vault_path.write_text("no folder")
    async with listening(quiet) as client:
        answer = await client.get(f"{PREFIX}/health", headers={"Authorization": ""})
        assert (answer.status_code, answer.json()) == (
            503,
            {"status": "failing", "failing": ["vault"]},
        )
        refused = await client.get(f"{PREFIX}/status")
        assert (refused.status_code, refused.json()["error"]) == (503, "vault-unreachable")
        # It is tried again: nobody has to start the service anew.
        quiet.vault_path.unlink()
        assert (await client.get(f"{PREFIX}/status")).status_code == 200


async def test_the_service_ends_in_order_though_somebody_listens(quiet: Config) -> None:
    quiet.vault_path.mkdir(mode=0o700)
    config = replace(quiet, api=replace(quiet.api, port=free_port()))
    headers = {"Authorization": f"Bearer {READ}"}
    async with (
        kept(quiet.vault_path),
        httpx.AsyncClient(headers=headers, timeout=SECONDS) as client,
        AsyncExitStack() as stack,
    ):
        async with serve_api({"a": config}, environ=ENVIRON) as url:
            answer = await stack.enter_async_context(client.stream("GET", url + PATH))
            lines = answer.aiter_lines()
            await lines_until(lines, "id: ")
        # Cut off, the answer would not be whole, and reading it an error.
        assert kinds([line async for line in lines]) == []
