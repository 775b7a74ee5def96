"""`w` in the list of candidates: all of the view, in its order, as `--batch` tells them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3gc_core.errors import ScanGone
from s3gc_core.judgement import Snapshot
from s3gc_tui.models.lines import plain_text
from s3gc_tui.widgets import candidate_list
from s3gc_tui.widgets.candidate_list import CandidateList
from s3gc_tui.widgets.line_pane import LinePane
from tests.tui.small_world import SmallWorld
from tests.tui.whole import LATER_FORGOTTEN, Whole, furnished, opened


def saved(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        path.name: [json.loads(text) for text in path.read_text("ascii").splitlines()]
        for path in folder.glob("s3gc-candidates-*.jsonl")
    }


async def write(whole: Whole) -> None:
    await whole.press("w")
    await whole.settled()


def listed(whole: Whole) -> Snapshot:
    snapshot = whole.main.query_one(CandidateList).snapshot
    assert snapshot is not None
    return snapshot


def log(whole: Whole) -> str:
    return plain_text(whole.main.query_one("#log", LinePane).lines)


async def test_the_view_as_batch_has_it(
    small: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(candidate_list, "PAGE", 5)
    told = await furnished(small)
    async with opened(small, told) as whole:
        await write(whole)
        # By size, the largest first, and only what was forgotten.
        whole.main.query_one(CandidateList).set_filter_text("late/ verdict:orphan")
        await whole.press("o")
        await write(whole)
        scan_id = listed(whole).scan_id
        assert f"12 candidates saved to {tmp_path}" in log(whole)
    every = (await small.cli.batch("candidates")).of("candidate")
    files = saved(tmp_path)
    assert set(files) == {f"s3gc-candidates-{scan_id}.jsonl", f"s3gc-candidates-{scan_id}-2.jsonl"}
    first, second = (files[name] for name in sorted(files, key=len))
    assert first == every
    largest_first = sorted(LATER_FORGOTTEN, key=lambda key: -len(LATER_FORGOTTEN[key]))
    assert [record["key"] for record in second] == largest_first


async def test_what_went_meanwhile_is_not_left_out_silently(
    small: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = await furnished(small)
    async with opened(small, told) as whole:
        snapshot = listed(whole)
        with pytest.raises(ScanGone, match="1 objects were listed again"):
            await whole.main.browser.judged(snapshot, [snapshot.first_id, snapshot.last_id + 9])
        for _ in range(3):
            await small.world.scan()
        await write(whole)
        assert "are no longer kept" in log(whole)
    assert saved(tmp_path) == {}
