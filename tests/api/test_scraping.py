"""GET metrics as Prometheus asks it, and as others do."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from s3gc_core.config import Config
from s3gc_core.exposition import families
from s3gc_core.integrations import setup_s3gc_plugin
from s3gc_core.integrations.accepting import prefers_text
from tests.api.asking import ENVIRON, READ, ask

# As they are sent: by Prometheus 3, by Prometheus 2, and by vmagent.
_PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
_PROMETHEUS_2 = (
    "application/openmetrics-text; version=1.0.0; charset=utf-8,"
    "application/openmetrics-text; version=0.0.1; charset=utf-8;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
SCRAPES = (_PROMETHEUS_3, _PROMETHEUS_2, "text/plain;version=0.0.4;q=1,*/*;q=0.1")


@pytest.mark.parametrize(
    "accept", [*SCRAPES, "text/plain", "TEXT/Plain", "text/*", "text/plain, */*"]
)
def test_who_reads_the_text_gets_it(accept: str) -> None:
    assert prefers_text(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/json, text/plain, */*",
        "application/*, text/plain;q=0.9",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/plain;q=0",
        "text/plain;q=0, */*",
        "text/plain;q=x, application/json",
        ";;,,q=1,\x00",
    ],
)
def test_anybody_else_gets_json(accept: str) -> None:
    assert not prefers_text(accept)


async def test_a_scrape_and_curl(quiet: Config) -> None:
    app = FastAPI()
    setup_s3gc_plugin(app, quiet, environ=ENVIRON)
    asking = ask(app, READ)
    url, token = "/admin/s3gc/metrics", {"Authorization": f"Bearer {READ}"}
    async with app.router.lifespan_context(app), asking.client as client:
        told = await client.get(url, headers={**token, "Accept": SCRAPES[0]})
        shown = await client.get(url, headers={**token, "Accept": "*/*"})
        refused = await client.get(url, headers={"Accept": SCRAPES[0]})
        collector = await app.state.s3gc["/admin/s3gc"].collector()
        known = families(await collector.metrics())
    assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (told.headers["vary"], shown.headers["vary"]) == ("Accept", "Accept")
    read = {
        sample.name: sample.labels["bucket"]
        for family in text_string_to_metric_families(told.text)
        for sample in family.samples
    }
    assert read == {family.name: quiet.bucket for family in known if family.samples}
    assert (shown.json()["bucket"], shown.json()["total_runs"]) == (quiet.bucket, 0)
    assert (refused.status_code, refused.json()["error"]) == (401, "token-refused")
