"""What the doctor tells of the replica."""

from __future__ import annotations

import re
from dataclasses import replace

from s3gc_core.actions.checks import Check
from s3gc_core.actions.doctor import examine
from s3gc_core.config import ReplicaConfig
from tests.core.bucket import plain_client
from tests.core.replica.conftest import Replicated
from tests.servers.proxy import Exchange, running_proxy


async def told(replicated: Replicated, *, write_probe: bool = False) -> dict[str, Check]:
    config = replicated.world.config
    checks = [check async for check in examine(config, write_probe=write_probe)]
    return {check.name: check for check in checks if check.name.startswith("replica")}


async def test_what_the_doctor_tells_of_the_replica(replicated: Replicated) -> None:
    assert await told(replicated) == {}
    replicated.track("local")
    found = await told(replicated)
    assert found.keys() == {"replica", "replica, account", "replica, versions"}
    assert all(check.ok for check in found.values())
    assert "nothing was shipped" in found["replica"].detail
    assert "warning: the same account" in found["replica, account"].detail
    assert "warning: it keeps no versions" in found["replica, versions"].detail
    # It changes nothing, and with a probe leaves one object, however often it is asked.
    assert await replicated.names() == set()
    for _ in range(2):
        assert (await told(replicated, write_probe=True))["replica, writing"].ok
    assert await replicated.names() == {"probe.txt"}

    async with plain_client(replicated.other) as s3:
        await s3.put_bucket_versioning(
            Bucket=replicated.other.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    await replicated.fill({})
    await replicated.world.scan()
    found = await told(replicated)
    assert re.search("[1-9][0-9]* shipments are there", found["replica"].detail)
    assert found["replica, versions"].detail.startswith("keeps versions")


async def test_the_doctor_finds_what_shipping_would_refuse(replicated: Replicated) -> None:
    replicated.track("local")

    async def ignore(exchange: Exchange) -> None:
        exchange.headers.pop("If-None-Match", None)

    async def deny(exchange: Exchange) -> None:
        if exchange.method == "PUT":
            exchange.status = 403
            exchange.answer = b"<Error><Code>AccessDenied</Code></Error>"

    world, replica = replicated.world, replicated.world.config.replica
    assert replica is not None
    async with running_proxy(replicated.other.endpoint_url) as proxy:
        world.change(replica=replace(replica, endpoint_url=proxy.endpoint))
        for how in (ignore, deny):
            proxy.before = how
            writing = (await told(replicated, write_probe=True))["replica, writing"]
            assert (writing.ok, bool(writing.fix)) == (False, True)
        # The bucket that is kept clean, by an address that the configuration cannot see through.
        proxy.before = None
        own = ReplicaConfig(world.config.bucket, endpoint_url=proxy.endpoint, prefix="vault/")
        world.change(replica=own)
        account = (await told(replicated))["replica, account"]
        assert (account.ok, "kept clean" in account.detail) == (False, True)
    world.change(replica=replace(replica, bucket="no-such-bucket"))
    found = await told(replicated)
    assert {name: check.ok for name, check in found.items()} == {"replica": False}
