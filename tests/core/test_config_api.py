"""[api]: where the admin API listens and whose tokens count, never the tokens themselves."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from s3gc_core.config import ApiConfig, Config, TokenConfig
from s3gc_core.config_create import create_config
from s3gc_core.config_environment import create_config_from_env
from s3gc_core.config_file import load_config
from s3gc_core.errors import ConfigurationError
from s3gc_core.handing import Handed, read_handed, to_bytes
from s3gc_core.jobs import Acting

SECRET = "tok-4fJq81-secret"  # what somebody may write in the wrong place


def test_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "s3gc.toml"
    path.write_text(
        'bucket = "photos"\n[api]\nhost = "0.0.0.0"\nport = 9000\n[api.tokens]\n'
        'monitoring = { env = "MONITORING" }\ndeploy-2 = { file = "/run/t", write = true }\n'
    )
    tokens = (TokenConfig("monitoring", "MONITORING"), TokenConfig("deploy-2", "", "/run/t", True))
    config = load_config(path, {"S3GC_API_PORT": "9001"})
    assert config.api == ApiConfig("0.0.0.0", 9001, tokens)  # noqa: S104 - only compared
    assert config.redacted()["api"] == {
        "host": "0.0.0.0",  # noqa: S104 - only compared
        "port": 9001,
        "tokens": {
            "monitoring": {"env": "MONITORING", "file": "", "write": False},
            "deploy-2": {"env": "", "file": "/run/t", "write": True},
        },
    }
    assert create_config(bucket="photos", api=config.api).api == config.api


def test_by_default_only_this_machine_hears_it() -> None:
    assert Config("photos").api == ApiConfig("127.0.0.1", 8473, ())
    assert create_config_from_env(environ={"S3_BUCKET": "photos"}).api == ApiConfig()


@pytest.mark.parametrize(
    ("api", "settings"),
    [
        ({"hots": "::1"}, {"api.hots"}),
        ({"host": ""}, {"api.host"}),
        ({"host": "http://a"}, {"api.host"}),
        ({"port": 0}, {"api.port"}),
        ({"port": 65_536}, {"api.port"}),
        ({"port": "8473"}, {"api.port"}),
        ({"port": True}, {"api.port"}),
        (SECRET, {"api"}),
        ({"tokens": SECRET}, {"api.tokens"}),
        ({"tokens": {"a": SECRET}}, {"api.tokens.a"}),
        ({"tokens": {"a": {"env": SECRET}}}, {"api.tokens.a.env"}),
        ({"tokens": {"a": {"token": SECRET}}}, {"api.tokens.a", "api.tokens.a.token"}),
        ({"tokens": {"a": {}}}, {"api.tokens.a"}),
        ({"tokens": {"a": {"env": "A", "file": "/a"}}}, {"api.tokens.a"}),
        ({"tokens": {"a": {"file": "relative"}}}, {"api.tokens.a.file"}),
        ({"tokens": {"a": {"env": "A", "write": "yes"}}}, {"api.tokens.a.write"}),
        # It would be refused as an unknown setting as soon as it is set.
        ({"tokens": {"a": {"env": "S3GC_TOKEN"}}}, {"api.tokens.a.env"}),
        # Whose S3GC_ADMIN_API_KEY is.
        ({"tokens": {"admin": {"env": "A"}}}, {"api.tokens.admin"}),
        # In the audit log it would be taken for a person.
        ({"tokens": {"x of root": {"env": "A"}}}, {"api.tokens.'x of root'"}),
        ({"tokens": {"A": {"env": "A"}}}, {"api.tokens.A"}),
    ],
)
def test_what_is_refused_is_named_and_never_shown(api: Any, settings: set[str]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        create_config(bucket="photos", api=api)
    assert {problem.setting for problem in refused.value.problems} == settings
    assert "4fJq81" not in str(refused.value)


def test_a_process_is_handed_the_configuration_as_it_stands() -> None:
    config = create_config(
        bucket="photos",
        mode="execute",
        vault_path="/srv/vault",
        database={"url": "postgresql://app:secret@db/app", "cdc": True},
        tables={"users": ["a"], "posts": [{"column": "b", "codec": "json", "path": "$.x"}]},
        guards={"max_objects": 5, "prefixes": {"a/": {"max_share": 0.5}}},
        replica={"bucket": "other"},
        prices={"GET": 1.0},
        images="exact",
        api={"tokens": {"a": {"env": "A"}}},
        keys={"pane.log": "f2"},
    )
    handed = Handed(config, Acting("api:a", "01J"))
    assert read_handed(io.BytesIO(to_bytes(handed))) == handed


def test_half_a_configuration_is_none_and_is_not_shown() -> None:
    config = create_config(bucket="photos", database="postgresql://app:s3cr3t@db/app")
    whole = to_bytes(Handed(config, Acting("api:a")))
    for cut in (0, len(whole) // 2, len(whole) - 1):
        with pytest.raises(ConfigurationError) as refused:
            read_handed(io.BytesIO(whole[:cut]))
        assert "s3cr3t" not in str(refused.value)
        assert refused.value.__context__ is None
