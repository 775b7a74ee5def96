"""The API is asked everything that its own description allows, and what it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from s3gc_core.integrations import serve_api
from s3gc_core.jobs import LEASE_FILE, vault_lease
from tests.api.asking import ENVIRON, WRITE
from tests.servers.process import free_port
from tests.world import World

HEADERS = {"Authorization": f"Bearer {WRITE}"}


async def ask_everything(world: World, examples: int, *, number: int = 0) -> int:
    """Ask each operation so many times in both ways; how many requests that were.

    Raises what schemathesis finds. The vault is held meanwhile, so that no job is started.
    """
    world.change(api=replace(world.config.api, port=free_port()))
    async with serve_api({"a": world.config}, environ=ENVIRON, clock=world.clock) as url:
        with held(world):
            return await asyncio.to_thread(_ask, f"{url}/admin/s3gc", examples, number)


@contextmanager
def held(world: World) -> Iterator[None]:
    with vault_lease(world.config.vault_path, "0" * 26, "scan", "a test", file=LEASE_FILE):
        yield


def _is_sent(value: object) -> bool:
    """Whether a parameter of this value gets into a URL: what is not sent can violate nothing."""
    if isinstance(value, list | tuple | dict):
        return any(_is_sent(one) for one in value)
    return value is not None


def _ask(url: str, examples: int, number: int) -> int:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=HEADERS)
    asked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        # Where there is nothing to be said, nothing wrong can be said.
        said = {"parameters", "requestBody"} & operation.definition.raw.keys()
        wrongly = [GenerationMode.NEGATIVE] if said else []
        for mode in (GenerationMode.POSITIVE, *wrongly):
            cases = operation.as_strategy(generation_mode=mode)

            @seed(number)
            @settings(
                max_examples=examples,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            )
            @given(case=cases)
            def check(case: Case[Any]) -> None:
                nonlocal asked
                assume(all(_is_sent(value) for value in (case.query or {}).values()))
                asked += 1
                case.call_and_validate(headers=HEADERS)

            check()
    return asked
