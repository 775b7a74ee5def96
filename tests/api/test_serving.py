"""The admin API by itself: monitoring and a restore, by curl; what keeps it from starting."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from s3gc_core.config import Config
from s3gc_core.errors import ApiNotListening, ConfigurationError
from s3gc_core.integrations import serve_api
from tests.api.asking import ADMIN, DAYS, ENVIRON
from tests.servers.process import free_port
from tests.service.scene import SHIFTED
from tests.stories.staging import ORPHANS, USED
from tests.world import World

HEADER = f"Authorization: Bearer {ADMIN}"
# What Prometheus 2.53 asks with.
SCRAPE = (
    "Accept: application/openmetrics-text;version=1.0.0;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


async def curl(*arguments: str) -> tuple[int, Any]:
    """Ask as a person would; the status, and the answer."""
    status, body = await run_curl(*arguments)
    return status, json.loads(body) if body else None


async def run_curl(*arguments: str) -> tuple[int, str]:
    """The status, and the body as it came."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "-w", "\n%{http_code}", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, _ = await process.communicate()
    body, _, status = stdout.decode().rpartition("\n")
    return int(status), body


async def test_a_restore_by_curl_and_its_monitoring(world: World) -> None:
    world.days(DAYS)
    await world.collect()
    assert await world.keys() == {USED}
    world.change(api=replace(world.config.api, port=free_port()))
    serving = serve_api({"a": world.config}, environ=ENVIRON, program=SHIFTED, clock=world.clock)
    async with serving as url:
        base = f"{url}/admin/s3gc"
        assert await curl(f"{base}/health") == (200, {"status": "ok", "failing": []})
        assert (await curl(f"{base}/status"))[0] == 401
        key = sorted(ORPHANS)[0]
        body = json.dumps({"key": key})
        restore = ("-X", "POST", "--json", body, f"{base}/restore-key")
        status, job = await curl("-H", HEADER, *restore)
        assert (status, job["operation_id"]) == (202, job["operations"][0])
        followed = f"{base}/operations/{job['operation_id']}/events"
        # It tells until the operation has ended.
        _, told = await run_curl("-N", "-H", HEADER, followed)
        assert [line for line in told.splitlines() if line.startswith("event:")][-1] == "event: end"
        assert await world.keys() == {USED, key}
        _, metrics = await curl("-H", HEADER, f"{base}/metrics")
        assert (metrics["total_deleted"], metrics["total_restored"]) == (4, 1)
        status, scraped = await run_curl("-H", HEADER, "-H", SCRAPE, f"{base}/metrics")
        families = {family.name: family for family in text_string_to_metric_families(scraped)}
        [deleted] = families["s3gc_deleted_objects"].samples
        assert (status, deleted.value) == (200, 4.0)
        assert families["s3gc_restored_objects"].samples[0].value == 1.0
        _, found = await curl("-H", HEADER, f"{base}/operations?limit=1")
        assert found["operations"][0]["actor"] == "api:admin"


async def test_an_address_that_is_taken_is_told(quiet: Config) -> None:
    quiet = replace(quiet, api=replace(quiet.api, port=free_port()))
    async with serve_api({"a": quiet}, environ=ENVIRON) as url:
        assert url == f"http://127.0.0.1:{quiet.api.port}"
        with pytest.raises(ApiNotListening, match="cannot listen at 127"):
            async with serve_api({"b": quiet}, environ=ENVIRON):
                pytest.fail("it listens")


async def test_several_profiles_are_below_one_address(quiet: Config, tmp_path: Path) -> None:
    quiet = replace(quiet, api=replace(quiet.api, port=free_port()))
    other = replace(quiet, bucket="another", vault_path=tmp_path / "another")
    async with serve_api({"a": quiet, "b": other}, environ=ENVIRON) as url:
        for name, config in (("a", quiet), ("b", other)):
            status, shown = await curl("-H", HEADER, f"{url}/admin/s3gc/{name}/config")
            assert (status, shown["bucket"]) == (200, config.bucket)
        assert (await curl(f"{url}/admin/s3gc/config"))[0] == 404
    elsewhere = replace(other, api=replace(other.api, port=1))
    with pytest.raises(ConfigurationError, match="the same host and port"):
        async with serve_api({"a": quiet, "b": elsewhere}, environ=ENVIRON):
            pytest.fail("it listens")


async def test_without_a_token_nothing_listens(quiet: Config) -> None:
    quiet = replace(quiet, api=replace(quiet.api, port=free_port(), tokens=()))
    with pytest.raises(ConfigurationError, match="S3GC_ADMIN_API_KEY"):
        async with serve_api({"a": quiet}, environ={}):
            pytest.fail("it listens")
    with socket.socket() as free:
        free.bind(("127.0.0.1", quiet.api.port))
