"""The API inside of other applications: two lines, the environment, lifespans of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI

from s3gc_core.config import Config
from s3gc_core.errors import ConfigurationError
from s3gc_core.integrations import (
    get_s3gc_config,
    s3gc_lifespan,
    setup_s3gc_from_env,
    setup_s3gc_plugin,
)
from s3gc_core.jobs import LEASE_FILE, vault_lease
from tests.api.asking import ADMIN, ENVIRON, READ, ask


async def test_two_lines_beside_a_lifespan_of_its_own(quiet: Config) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def own(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        seen.append("began")
        yield {"mine": "state"}
        seen.append("ended")

    app = FastAPI(lifespan=own)
    setup_s3gc_plugin(app, quiet, environ=ENVIRON)

    @app.get("/mine")
    async def mine() -> str:
        return "mine"

    asking = ask(app)
    async with app.router.lifespan_context(app) as state:
        assert (seen, state) == (["began"], {"mine": "state"})
        assert (await asking("GET", "/config"))["bucket"] == quiet.bucket
        assert (await asking.client.get("/mine")).json() == "mine"
        # What is not ours is answered, and described, as it was.
        assert (await asking.client.get("/nothing")).json() == {"detail": "Not Found"}
        assert list((await asking.client.get("/openapi.json")).json()["paths"]) == ["/mine"]
    assert seen == ["began", "ended"]


async def test_within_a_lifespan_written_by_hand(quiet: Config) -> None:
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        async with s3gc_lifespan(app, quiet, environ=ENVIRON):
            yield

    app = FastAPI(lifespan=own)
    async with app.router.lifespan_context(app):
        assert (await ask(app)("GET", "/status"))["bucket"] == quiet.bucket
        assert get_s3gc_config(app) == quiet


@pytest.mark.parametrize("how", ["by hand", "two lines"])
async def test_an_application_may_be_started_again(quiet: Config, how: str) -> None:
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        async with s3gc_lifespan(app, quiet, environ=ENVIRON):
            yield

    if how == "by hand":
        app = FastAPI(lifespan=own)
    else:
        app = FastAPI()
        setup_s3gc_plugin(app, quiet, environ=ENVIRON)
    for _ in range(2):
        async with app.router.lifespan_context(app):
            assert (await ask(app)("GET", "/status"))["bucket"] == quiet.bucket
            [door] = app.state.s3gc.values()
            assert not door.is_closing
        assert door.is_closing
    with pytest.raises(TypeError, match="unknown"):
        s3gc_lifespan(app, quiet, unknown=1)  # type: ignore[call-arg]


async def test_by_the_environment_alone(quiet: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "S3_BUCKET": quiet.bucket,
        "S3GC_ENDPOINT_URL": quiet.endpoint_url,
        "S3GC_VAULT_PATH": str(quiet.vault_path),
        "DATABASE_URL": quiet.databases[0].url,
        "S3GC_ADMIN_API_KEY": ADMIN,
    }.items():
        monkeypatch.setenv(name, value)
    app = FastAPI()
    setup_s3gc_from_env(app, tables={"files": ["k"]})
    async with app.router.lifespan_context(app):
        shown = await ask(app, ADMIN)("GET", "/config")
    assert (shown["mode"], shown["sources"][0]["table"]) == ("dry_run", "files")
    monkeypatch.delenv("S3GC_ADMIN_API_KEY")
    with pytest.raises(ConfigurationError, match="S3GC_ADMIN_API_KEY"):
        setup_s3gc_from_env(FastAPI(), tables={"files": ["k"]})


async def test_by_a_profile(quiet: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "home" / "s3gc"
    folder.mkdir(parents=True)
    (folder / "shop.toml").write_text(f'bucket = "{quiet.bucket}"\n[tables]\nt = ["k"]\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("S3GC_ADMIN_API_KEY", ADMIN)
    app = FastAPI()
    setup_s3gc_from_env(app, profile="shop")
    assert get_s3gc_config(app).vault_path == folder / "s3gc_vault"
    with pytest.raises(ConfigurationError, match="given beside a profile"):
        setup_s3gc_from_env(FastAPI(), profile="shop", tables={"t": ["k"]})


async def test_what_is_wrong_is_named_and_costs_nothing(quiet: Config) -> None:
    """Refused before any process is started; nothing is dropped, nothing is replaced."""
    app, ulid = FastAPI(), "0" * 26
    setup_s3gc_plugin(app, quiet, environ=ENVIRON)
    asking = ask(app)
    for method, path, body, query, status, error in [
        ("GET", "/operations", None, {"limit": 0}, 422, "request-unusable"),
        ("GET", "/operations", None, {"limit": -1}, 422, "request-unusable"),
        ("GET", "/operations", None, {"limit": 501}, 422, "request-unusable"),
        ("GET", "/operations", None, {"limti": 5}, 422, "request-unusable"),
        ("GET", "/operations", None, {"before": ulid}, 404, "no-such-operation"),
        ("GET", "/status", None, {"verbose": 1}, 422, "request-unusable"),
        ("GET", "/candidates", None, {"verdict": "maybe"}, 422, "request-unusable"),
        ("GET", "/candidates", None, {"plan": ulid}, 404, "no-such-plan"),
        ("GET", "/why", None, {}, 422, "request-unusable"),
        ("GET", f"/plans/{ulid}", None, {}, 404, "no-such-plan"),
        ("GET", "/plans/short", None, {}, 422, "request-unusable"),
        ("GET", f"/operations/{ulid}", None, {}, 404, "no-such-operation"),
        ("GET", f"/operations/{ulid}/events", None, {}, 404, "no-such-operation"),
        ("GET", f"/jobs/{ulid}", None, {}, 404, "no-such-operation"),
        ("GET", "/nowhere", None, {}, 404, "no-such-path"),
        ("DELETE", "/status", None, {}, 405, "no-such-path"),
        ("POST", f"/restore/{ulid}", None, {}, 404, "no-such-operation"),
        ("POST", "/restore-key", {"key": "no/such"}, {}, 404, "no-such-key"),
        ("POST", "/restore-key", {"key": ""}, {}, 422, "request-unusable"),
        ("POST", "/restore-key", {"key": "a\0b"}, {}, 422, "request-unusable"),
        ("POST", "/restore-key", {"key": "a", "overwirte": True}, {}, 422, "request-unusable"),
        ("POST", "/restore-key", {"key": "a", "overwrite": "no"}, {}, 422, "request-unusable"),
        ("POST", "/restore-key", {"key": "a" * (1 << 20)}, {}, 422, "request-unusable"),
        ("POST", f"/plans/{ulid}/approve", {"reason": " "}, {}, 422, "request-unusable"),
        ("POST", f"/plans/{ulid}/approve", {"reason": "a"}, {}, 404, "no-such-plan"),
        ("POST", f"/plans/{ulid}/reject", {"reason": "a"}, {}, 404, "no-such-plan"),
        ("POST", f"/plans/{ulid}/execute", {"confirm": "a 1"}, {}, 404, "no-such-plan"),
        ("POST", f"/operations/{ulid}/cancel", None, {}, 404, "no-such-operation"),
    ]:  # fmt: skip
        answer = await asking(method, path, body, status=status, **query)  # type: ignore[arg-type]
        assert answer["error"] == error, (path, body, answer)
    assert (await asking("GET", "/operations"))["operations"] == []
    await app.state.s3gc["/admin/s3gc"].close()
    assert not list(quiet.vault_path.glob("jobs/start-*"))


async def test_a_vault_that_is_held_is_told_at_once(quiet: Config) -> None:
    app = FastAPI()
    setup_s3gc_plugin(app, quiet, environ=ENVIRON)
    asking = ask(app)
    await asking("GET", "/plans")  # the vault is there now
    with vault_lease(quiet.vault_path, "0" * 26, "scan", "somebody", file=LEASE_FILE):
        refused = await asking("POST", "/run", status=409)
    await app.state.s3gc["/admin/s3gc"].close()
    assert refused["error"] == "vault-busy"
    assert "0" * 26 in refused["detail"]


async def test_what_a_job_refuses_is_the_answer(quiet: Config) -> None:
    """No database, no run: the process says so, by its name."""
    app = FastAPI()
    nothing = replace(quiet, databases=(), sources=())
    setup_s3gc_plugin(app, nothing, environ=ENVIRON)
    async with app.router.lifespan_context(app):
        refused = await ask(app)("POST", "/run", status=409)
    assert refused["error"] == "nothing-tracked"


async def test_no_secret_is_shown(quiet: Config) -> None:
    secret = "s3cr3t-of-the-database"
    database = replace(quiet.databases[0], url=f"postgresql://app:{secret}@127.0.0.1:1/x")
    app = FastAPI()
    setup_s3gc_plugin(app, replace(quiet, databases=(database,)), environ=ENVIRON)
    async with app.router.lifespan_context(app):
        asked = ask(app, READ)
        shown = [
            await asked("GET", "/config"),
            await asked("GET", "/status"),
            await asked("GET", "/why", key="p/a.jpg", status=503),
        ]
    assert not any(text in repr(shown) for text in (secret, *ENVIRON.values()))
    assert shown[2]["error"] == "database-unreachable"
