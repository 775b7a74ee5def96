"""A crash of the whole dashboard: what it leaves on terminal and disk holds no secret."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest

from s3gc_core.errors import ExitCode
from s3gc_tui.screens.panes import Panes
from tests.tui.small_world import SmallWorld
from tests.tui.terminal_bytes import hidden_in
from tests.tui.whole import furnished, opened

SECRET = "hunter2-" + "s3cr3t"


async def test_a_crash_tells_no_local(
    small: SmallWorld,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither on the screen, nor in the report, nor in what the process says last."""
    reports = tmp_path / "reports"
    reports.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(reports))
    monkeypatch.setenv("AWS_SECRET_NOT_OURS", SECRET)
    url = f"postgresql://reader:{SECRET}@db.example/app"

    def fails(self: Panes, name: str) -> None:
        password = SECRET
        dsn = {"url": url, "password": password}
        raise RuntimeError(f"{len(dsn)} \x1b]0;owned\x07 [red]x[/y]")

    told = await furnished(small)
    written = ""
    with pytest.raises(RuntimeError):  # noqa: PT012 - raised when the app is left
        async with opened(small, told) as whole:
            await whole.settled()
            monkeypatch.setattr(Panes, "action_pane", fails)
            whole.keys("4")
            await whole.until(lambda: whole.app._exception is not None)
            written = whole.app.take()
            assert whole.app.return_code == ExitCode.FAILED
    monkeypatch.undo()
    captured = capfd.readouterr()
    (report,) = reports.iterdir()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text()
    assert "RuntimeError" in text
    assert "in fails" in text
    for told_text in (written, captured.out, captured.err, text):
        assert SECRET not in told_text
        assert "db.example" not in told_text
    # A long path goes on in the next line.
    assert str(report) in "".join(captured.err.split())
    assert hidden_in(text) | hidden_in(captured.err) <= {"\n"}
    assert "owned" not in captured.err
