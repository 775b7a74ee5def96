"""What `s3gc serve --print-...` prints: complete, and as careful as it says."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from s3gc_core.config import Config
from s3gc_core.config_environment import RESERVED, VARIABLES
from s3gc_core.service import PRINTED, Profile
from s3gc_core.service.follower import END_SECONDS as FOLLOWER_SECONDS
from s3gc_core.service.scheduled_runs import END_SECONDS, SAFE_SECONDS
from s3gc_core.service.serving import API_SECONDS


def service_of(text: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, delimiters="=", strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return dict(parser["Service"])


def test_a_unit_starts_this_s3gc_with_its_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/my tools/s3gc"])
    options = ("--config", "/etc/100%/$a.toml")
    profiles = [Profile("one", options, Config("photos")), Profile("two", (), Config("films"))]
    service = service_of(PRINTED["unit"](profiles))
    command = shlex.split(service["ExecStart"].replace("%%", "%").replace("$$", "$"))
    assert command == ["/opt/my tools/s3gc", *options, "--batch", "serve", "--also", "two"]
    assert (service["Type"], service["KillMode"]) == ("notify", "mixed")
    # 143 is how a service ends that was asked to; a wrong configuration is not tried again.
    assert service["SuccessExitStatus"].split() == ["129", "130", "143"]
    assert service["RestartPreventExitStatus"].split() == ["2", "3"]
    assert Path(service["WorkingDirectory"]) == Path.cwd()


def test_a_unit_leaves_the_service_the_time_that_it_takes() -> None:
    service = service_of(PRINTED["unit"]([Profile("one", (), Config("photos"))]))
    bound = API_SECONDS + max(SAFE_SECONDS + END_SECONDS, FOLLOWER_SECONDS)
    assert float(service["TimeoutStopSec"]) > bound
    assert f"stop_grace_period: {service['TimeoutStopSec']}s" in PRINTED["compose"]([])


def test_a_containerfile_builds_apart_from_what_runs() -> None:
    lines = PRINTED["containerfile"]([]).replace("\\\n", "").splitlines()
    stages = [line.split() for line in lines if line.startswith("FROM ")]
    assert [stage[2:] for stage in stages] == [["AS", "build"], []]
    runs = lines[lines.index(" ".join(stages[1])) :]
    words = {line.split()[0] for line in runs if line}
    assert {"USER", "VOLUME", "HEALTHCHECK", "ENTRYPOINT", "COPY", "RUN", "ENV"} <= words
    # Nothing but the finished environment comes over, and no root runs it.
    assert [line for line in runs if line.startswith("COPY")] == [
        "COPY --from=build /opt/s3gc /opt/s3gc"
    ]
    assert [line for line in runs if line.startswith("USER")] == ["USER 10001"]
    entry = json.loads(next(x for x in runs if x.startswith("ENTRYPOINT")).partition(" ")[2])
    health = json.loads(next(x for x in runs if x.startswith("HEALTH")).partition("CMD ")[2])
    assert (entry[-1], health) == ("serve", [*entry, "--check"])
    [path] = re.findall(r"S3GC_VAULT_PATH=(\S+)", "\n".join(runs))
    assert Path(path).is_relative_to("/vault")


def test_a_compose_file_has_the_variables_and_a_root_that_is_only_read() -> None:
    text = PRINTED["compose"]([])
    names = set(re.findall(r"^      ([A-Z0-9_]+):", text, re.MULTILINE))
    assert {"S3_BUCKET", "DATABASE_URL", "S3GC_ADMIN_API_KEY", "S3GC_EXECUTE_MODE"} <= names
    known = {*VARIABLES, *RESERVED, "S3GC_EXECUTE_MODE"}
    assert {name for name in names if name.startswith("S3GC_")} <= known
    for line in ("read_only: true", "cap_drop: [ALL]", "- vault:/vault", "init: true"):
        assert f"    {line}\n" in text or f"      {line}\n" in text
    # Nothing is deleted unless somebody says so.
    assert "S3GC_EXECUTE_MODE: ${S3GC_EXECUTE_MODE:-false}" in text
