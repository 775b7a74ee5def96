"""Two collectors in one application share neither a vault nor a change stream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI

from s3gc_core.config import Config
from s3gc_core.errors import ConfigurationError
from s3gc_core.integrations import s3gc_lifespan, setup_s3gc_plugin
from tests.api.asking import ENVIRON, READ, ask
from tests.service.test_profiles import STREAM, followed


def both(one: Config, two: Config) -> FastAPI:
    app = FastAPI()
    setup_s3gc_plugin(app, one, "/one", environ=ENVIRON)
    setup_s3gc_plugin(app, two, "/two", environ=ENVIRON)
    return app


async def test_one_vault_is_refused_before_the_application_starts(
    quiet: Config, tmp_path: Path
) -> None:
    for shared, setting in (
        (replace(quiet, bucket="another"), "vault_path"),
        (replace(quiet, vault_path=quiet.vault_path / ".." / "vault"), "vault_path"),
        (
            replace(quiet, vault_path=tmp_path / "2", audit_anchor_file="/anchors"),
            "audit_anchor_file",
        ),
    ):
        with pytest.raises(ConfigurationError, match=f"{setting}.*in profiles /one and /two"):
            both(replace(quiet, audit_anchor_file="/anchors"), shared)
    app = FastAPI()
    setup_s3gc_plugin(app, quiet, environ=ENVIRON)
    with pytest.raises(ConfigurationError, match="a prefix for each configuration"):
        setup_s3gc_plugin(app, replace(quiet, vault_path=tmp_path / "2"), environ=ENVIRON)
    with pytest.raises(ConfigurationError, match="in profiles /admin/s3gc and /other"):
        async with s3gc_lifespan(app, quiet, "/other", environ=ENVIRON):
            pytest.fail("it started")


async def test_one_stream_is_refused_when_it_starts(quiet: Config, tmp_path: Path) -> None:
    vaults = [(await followed(tmp_path / name, STREAM)).vault_path for name in ("1", "2")]
    app = both(*(replace(quiet, vault_path=vault) for vault in vaults))
    with pytest.raises(ConfigurationError, match="change stream"):
        async with app.router.lifespan_context(app):
            pytest.fail("it started")


async def test_two_that_share_nothing_work_and_one_without_its_vault_harms_no_other(
    quiet: Config, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    app = both(quiet, replace(quiet, vault_path=tmp_path / "file" / "x"))
    async with app.router.lifespan_context(app), ask(app, READ).client as client:
        token = {"Authorization": f"Bearer {READ}"}
        codes = [
            (await client.get(f"/{name}/status", headers=token)).status_code
            for name in ("one", "two")
        ]
    assert codes == [200, 503]
