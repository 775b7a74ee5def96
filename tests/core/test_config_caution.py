"""Levels of caution: their defaults, and floors that nothing undercuts, wherever it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3gc_core import create_config, create_config_from_env, load_config
from s3gc_core.config import Caution, Config, Mode
from s3gc_core.errors import ConfigurationError


def made(**settings: Any) -> tuple[int, bool, Mode]:
    config = create_config(bucket="photos", **settings)
    return config.retention_days, config.require_second_person, config.mode


@pytest.mark.parametrize(
    ("caution", "expected"),
    [
        ("standard", (7, False)),
        ("safe", (7, False)),
        ("aggressive", (1, False)),
        ("compliance", (30, True)),
    ],
)
@pytest.mark.parametrize("mode", [None, *Mode])
def test_defaults_and_never_the_mode(
    caution: str, expected: tuple[int, bool], mode: Mode | None
) -> None:
    given: dict[str, Any] = {} if mode is None else {"mode": mode}
    assert made(caution=caution, **given) == (*expected, mode or Mode.DRY_RUN)


@pytest.mark.parametrize(
    ("caution", "floor"), [("standard", 1), ("aggressive", 1), ("safe", 7), ("compliance", 30)]
)
def test_retention_is_not_under_the_floor(caution: str, floor: int) -> None:
    for days in (floor, floor + 1, 3650):
        assert made(caution=caution, retention_days=days)[0] == days
    with pytest.raises(ConfigurationError) as caught:
        create_config(bucket="photos", caution=caution, retention_days=floor - 1)
    [problem] = caught.value.problems
    assert problem.setting == "retention_days"
    assert f"{floor} day" in problem.allowed


def test_compliance_needs_two_people() -> None:
    assert made(caution="compliance", require_second_person=True)[1] is True
    with pytest.raises(ConfigurationError) as caught:
        create_config(bucket="photos", caution="compliance", require_second_person=False)
    assert [p.setting for p in caught.value.problems] == ["require_second_person"]
    assert made(caution="safe", require_second_person=True)[1] is True


def test_a_bad_value_is_told_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        create_config(bucket="photos", caution="compliance", retention_days="x")  # type: ignore[arg-type]
    assert [p.setting for p in caught.value.problems] == ["retention_days"]
    with pytest.raises(ConfigurationError) as caught:
        create_config(bucket="photos", caution="brave", retention_days=1)
    assert [p.setting for p in caught.value.problems] == ["caution"]


def test_the_error_names_line_or_variable_and_the_floor(tmp_path: Path) -> None:
    path = tmp_path / "s3gc.toml"
    path.write_text('bucket = "photos"\ncaution = "compliance"\n\nretention_days = 14\n')
    with pytest.raises(ConfigurationError) as caught:
        load_config(path, {})
    [problem] = caught.value.problems
    assert problem.setting == "retention_days (line 4)"
    assert '30 days is the floor of caution = "compliance"' in problem.allowed
    with pytest.raises(ConfigurationError) as caught:
        load_config(path, {"S3GC_RETENTION_DAYS": "29"})
    assert [p.setting for p in caught.value.problems] == ["S3GC_RETENTION_DAYS"]
    path.write_text('bucket = "photos"\nretention_days = 2\n')
    assert load_config(path, {}).retention_days == 2
    with pytest.raises(ConfigurationError) as caught:
        load_config(path, {"S3GC_PROFILE": "safe"})
    assert [p.setting for p in caught.value.problems] == ["retention_days (line 2)"]


def test_from_the_environment() -> None:
    environ = {"S3_BUCKET": "photos", "S3GC_PROFILE": "compliance"}
    assert create_config_from_env(environ=environ) == Config(
        "photos", caution=Caution.COMPLIANCE, retention_days=30, require_second_person=True
    )
    with pytest.raises(ConfigurationError) as caught:
        create_config_from_env(environ={"S3_BUCKET": "photos", "S3GC_PROFILE": "safe_defaults"})
    [problem] = caught.value.problems
    assert problem.setting == "S3GC_PROFILE"
    assert all(str(caution) in problem.allowed for caution in Caution)
