"""What two profiles must not have in common, each way to have it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.config import Config
from s3gc_core.errors import ConfigurationError
from s3gc_core.references import Registry, StreamState
from s3gc_core.service import Profile, refuse_shared, shared, shared_places

STREAM = StreamState("app", "s3gc_1", "history", "10", "a", 1, "t", anchored=True)


def config(vault: Path, **more: str) -> Config:
    return replace(Config("photos", vault_path=vault), **more)  # type: ignore[arg-type]


async def followed(vault: Path, stream: StreamState) -> Config:
    """A vault whose registry is kept true by this stream."""
    vault.mkdir(mode=0o700)
    registry = await Registry.open(vault)
    await registry.begin_stream(stream)
    await registry.close()
    return config(vault)


def profiles(**configs: Config) -> list[Profile]:
    return [Profile(name, (), one) for name, one in configs.items()]


@pytest.mark.parametrize("kind", ["the same", "by a link", "by another way"])
async def test_a_vault_is_one_profiles(tmp_path: Path, kind: str) -> None:
    vault = tmp_path / "vault"
    vault.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(vault)
    ways = {
        "the same": vault,
        "by a link": tmp_path / "link",
        "by another way": vault / ".." / "vault",
    }
    one, two = config(vault), config(ways[kind])
    for problems in (await shared(profiles(a=one, b=two)), shared_places({"a": one, "b": two})):
        [problem] = problems
        assert (problem.setting, problem.value) == ("vault_path", f"{vault}, in profiles a and b")
    with pytest.raises(ConfigurationError, match="a vault for each profile"):
        await refuse_shared(profiles(a=one, b=two))


async def test_a_file_of_anchors_is_one_vaults(tmp_path: Path) -> None:
    anchors = {"audit_anchor_file": "/mnt/worm/anchors"}
    one, two = config(tmp_path / "1", **anchors), config(tmp_path / "2", **anchors)
    for problems in (await shared(profiles(a=one, b=two)), shared_places({"a": one, "b": two})):
        assert [problem.setting for problem in problems] == ["audit_anchor_file"]


async def test_two_of_one_name_are_one_too_many(tmp_path: Path) -> None:
    one, two = config(tmp_path / "1"), config(tmp_path / "2")
    [problem] = await shared([Profile("photos", (), one), Profile("photos", (), two)])
    assert (problem.setting, problem.value) == ("profile", "photos, twice")
    assert await shared(profiles(a=one, b=two)) == []


async def test_a_stream_is_one_vaults(tmp_path: Path) -> None:
    """As that of a vault that was copied: each would take changes away from the other."""
    one = await followed(tmp_path / "1", STREAM)
    copied = await followed(tmp_path / "2", STREAM)
    own = await followed(tmp_path / "3", replace(STREAM, name="s3gc_2"))
    assert await shared(profiles(a=one, b=own)) == []
    [problem] = await shared(profiles(a=one, b=own, c=copied))
    assert (problem.setting, problem.value) == ("change stream", "s3gc_1, in profiles a and c")
