"""Whose token it is, what it allows, and what is no token at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from s3gc_core.config import ApiConfig, Config, TokenConfig
from s3gc_core.errors import ConfigurationError
from s3gc_core.integrations import setup_s3gc_plugin
from s3gc_core.integrations.tokens import read_tokens, whose
from tests.api.asking import ADMIN, ENVIRON, READ, TOKENS, WRITE, ask

API = ApiConfig(
    tokens=tuple(
        TokenConfig(name, str(token["env"]), write=bool(token.get("write")))
        for name, token in TOKENS.items()
    )
)


def test_each_is_known_by_its_name_and_only_its_hash_is_kept() -> None:
    tokens = read_tokens(API, ENVIRON)
    named = {}
    for secret in (READ, WRITE, ADMIN):
        one = whose(tokens, f"Bearer {secret}")
        assert one is not None
        named[one.actor] = one.may_write
    assert named == {"api:monitoring": False, "api:deployer": True, "api:admin": True}
    assert not any(secret in repr(tokens) for secret in (READ, WRITE, ADMIN))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        READ,
        f"Basic {READ}",
        f"Bearer {READ}x",
        f"Bearer {READ[:-1]}",
        f"Bearer {READ} {WRITE}",
        "Bearer READ_TOKEN",
        "Bearer \udcff",
    ],
)
def test_nobody_else_is(header: str | None) -> None:
    assert whose(read_tokens(API, ENVIRON), header) is None


def test_a_file_may_hold_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{WRITE}\n")
    [token] = read_tokens(ApiConfig(tokens=(TokenConfig("a", file=str(file)),)), {})
    assert whose([token], f"bearer {WRITE}") == token


@pytest.mark.parametrize(
    ("environ", "tokens", "named"),
    [
        ({}, (), {"S3GC_ADMIN_API_KEY"}),
        ({"S3GC_ADMIN_API_KEY": ""}, (), {"S3GC_ADMIN_API_KEY"}),
        ({"S3GC_ADMIN_API_KEY": "short"}, (), {"S3GC_ADMIN_API_KEY"}),
        ({"S3GC_ADMIN_API_KEY": "with a space in it"}, (), {"S3GC_ADMIN_API_KEY"}),
        ({"S3GC_ADMIN_API_KEY": "ä" * 20}, (), {"S3GC_ADMIN_API_KEY"}),
        ({"S3GC_ADMIN_API_KEY": ADMIN}, (TokenConfig("a", "A"),), {"api.tokens.a"}),
        ({"A": READ, "B": READ}, (TokenConfig("a", "A"), TokenConfig("b", "B")), {"api.tokens.b"}),
        ({}, (TokenConfig("a", file="/not/there"), TokenConfig("b", "B")), None),
    ],
)
def test_one_that_is_no_token_keeps_it_from_starting(
    environ: dict[str, str], tokens: tuple[TokenConfig, ...], named: set[str] | None
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_tokens(ApiConfig(tokens=tokens), environ)
    found = {problem.setting for problem in refused.value.problems}
    assert found == (named or {"api.tokens.a", "api.tokens.b"})
    secrets = (ADMIN, READ, "short", "with a space", "ä")
    assert not any(secret in str(refused.value) for secret in secrets)


async def test_every_path_is_closed_and_writing_is_apart(quiet: Config) -> None:
    """Also what is not there: whoever asks for it learns nothing."""
    app = FastAPI()
    setup_s3gc_plugin(app, quiet, environ=ENVIRON)
    admin = next(route.app for route in app.routes if isinstance(route, Mount))
    assert isinstance(admin, FastAPI)
    described = admin.openapi()["paths"]
    requests = [
        (method.upper(), path.replace("{plan_id}", "0" * 26).replace("{operation_id}", "0" * 26))
        for path, operations in described.items()
        for method in operations
        if path != "/health"
    ]
    assert len(requests) >= 22
    nobody, reader, stranger = ask(app, None), ask(app, READ), ask(app, "x" * 20)
    for method, path in [*requests, ("GET", "/openapi.json"), ("GET", "/nowhere")]:
        for one in (nobody, stranger):
            refused = await one(method, path, status=401)
            assert refused["error"] == "token-refused"
        if method == "POST":
            refused = await reader(method, path, status=403)
            assert refused["error"] == "write-token-needed"
    assert await nobody("GET", "/health") == {"status": "ok", "failing": []}
    # A path that only looks like the open one.
    for path in ("/health/", "//health", "/health/../status", "/x/health"):
        await nobody("GET", path, status=401)
    await nobody("POST", "/health", status=401)
    await app.state.s3gc["/admin/s3gc"].close()
