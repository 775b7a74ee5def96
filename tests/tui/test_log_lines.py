"""The log on standard error: its forms, its ids, what libraries say; cleaned, without secrets."""

from __future__ import annotations

import json
import logging

import pytest

from s3gc_core import log
from s3gc_core.redaction import Scrubber, secrets_of_environment, secrets_of_url
from s3gc_tui.log_lines import LogLines
from tests.tui.small_world import LATER, SmallWorld

SECRET = "Hunter9secret"
DANGEROUS = "a\x1b[2J\x7f\u202e\nb"


def lines_of(caplog: pytest.LogCaptureFixture, form: str, *secrets: str) -> list[str]:
    scrubber = Scrubber()
    scrubber.learn(secrets)
    formatter = LogLines(form, scrubber)
    return [formatter.format(record) for record in caplog.records]


@pytest.mark.parametrize("form", ["json", "console"])
def test_one_line_of_harmless_characters(caplog: pytest.LogCaptureFixture, form: str) -> None:
    with caplog.at_level(logging.DEBUG):
        log.info("told", key=DANGEROUS, count=3, none=None, list=[DANGEROUS])
        logging.getLogger("driver").warning("said %s", DANGEROUS)
        try:
            raise ValueError(DANGEROUS)
        except ValueError:
            logging.getLogger("asyncio").exception("never retrieved")
    for line in lines_of(caplog, form):
        assert line.isprintable()
        assert line.isascii()
    ours, driver, trace = lines_of(caplog, "json")
    assert json.loads(ours)["key"] == DANGEROUS
    assert (json.loads(ours)["count"], json.loads(ours)["none"]) == (3, None)
    assert json.loads(driver)["text"] == f"said {DANGEROUS}"
    assert "ValueError" in json.loads(trace)["trace"]
    told = lines_of(caplog, "console")[0]
    assert told[8:].startswith(" info    told key=")
    assert "count=3 none=null list=" in told


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_whoever_says_it(caplog: pytest.LogCaptureFixture, form: str) -> None:
    url = f"postgresql://app:{SECRET}@db/shop?sslpassword={SECRET}"
    with caplog.at_level(logging.DEBUG):
        log.warning("told", detail=f"no answer from {url}", nested={"a": [url]})
        logging.getLogger("driver").warning("connect(%r) failed", url)
        logging.getLogger("driver").warning('{"password": "%s", token=%s}', SECRET, SECRET)
        try:
            raise OSError(f"cannot open {url}")
        except OSError:
            logging.getLogger("asyncio").exception("never retrieved")
    assert not [line for line in lines_of(caplog, form) if SECRET in line]
    # Shows that it would be seen.
    assert len([record for record in caplog.records if SECRET in record.getMessage()]) == 3


def test_known_secrets_are_hidden_wherever_they_stand(caplog: pytest.LogCaptureFixture) -> None:
    url = "mysql://a:p%40ssw0rd@h/d?k=v1v2v3v4"
    environment = {"AWS_SECRET_ACCESS_KEY": SECRET, "DATABASE_URL": url}
    secrets = secrets_of_environment(environment)
    assert {SECRET, "p%40ssw0rd", "p@ssw0rd", "v1v2v3v4"} <= set(secrets)
    with caplog.at_level(logging.INFO):
        log.info("told", text=f"x{SECRET}y p@ssw0rd v1v2v3v4")
    [line] = lines_of(caplog, "json", *secrets)
    assert json.loads(line)["text"] == "x***y *** ***"


def test_what_is_no_secret_stays() -> None:
    scrubber = Scrubber()
    for text in ("https://docs.example/page", "uploads/a@b.jpg", "no such table: token_users"):
        assert scrubber.scrubbed(text) == text
    assert secrets_of_url("postgresql://app@db/shop") == []
    assert secrets_of_url("") == []


def test_ids_go_with_what_is_done_within(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log.info("before")
        with log.of_operation("A"):
            log.info("alone")
        with log.bound(correlation_id="C"), log.of_operation("B"):
            log.info("one of several")
        log.info("after")
    found = [json.loads(line) for line in lines_of(caplog, "json")]
    ids = [(line.get("operation_id"), line.get("correlation_id")) for line in found]
    assert ids == [(None, None), ("A", "A"), ("B", "C"), (None, None)]


async def test_a_cycle_tells_what_it_decides(small: SmallWorld) -> None:
    cli = small.cli
    await small.approved()
    ran = await cli.batch("--log-level", "debug", "run", days=LATER)
    assert ran.code == 0
    events = [json.loads(line) for line in ran.complaints.splitlines()]
    names = [event["event"] for event in events]
    wanted = ["gc_cycle_started", "operation_started", "object_backed_up_and_deleted"]
    wanted += ["operation_finished", "operation_started", "objects_listed", "candidates_found"]
    wanted += ["object_judged", "orphans_verified", "operation_finished", "gc_cycle_completed"]
    positions = iter(names)
    assert all(name in positions for name in wanted), names
    deleted = {e["key"] for e in events if e["event"] == "object_backed_up_and_deleted"}
    assert deleted == {"gone/a.txt", "gone/b.txt", "left/c.txt"}
    judged = {e["key"]: e["verdict"] for e in events if e["event"] == "object_judged"}
    assert judged == {"backups/d.txt": "keep"}
    assert len({event["correlation_id"] for event in events}) == 1
    operations = [e["operation_id"] for e in events if e["event"] == "operation_started"]
    assert len(set(operations)) == 2
    of_objects = {e["operation_id"] for e in events if e["event"] == "object_backed_up_and_deleted"}
    assert of_objects == {operations[0]}
    restored, quiet, wrong = (
        await cli.batch("restore", "--key", "gone/a.txt", S3GC_LOG_LEVEL="debug", days=LATER),
        await cli.batch("--log-format", "console", "restore", "--key", "gone/b.txt", days=LATER),
        await cli("status", S3GC_LOG_FORMAT="xml"),
    )
    told = [json.loads(line)["event"] for line in restored.complaints.splitlines()]
    wanted = ["restore_operation_started", "object_restored", "restore_operation_completed"]
    assert [name for name in told if name in wanted] == wanted
    assert "object_restored" not in quiet.complaints
    assert all(line[2] == line[5] == ":" for line in quiet.complaints.splitlines())
    assert (wrong.code, "S3GC_LOG_FORMAT" in wrong.complaints) == (2, True)
