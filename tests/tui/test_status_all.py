"""`s3gc status --all`: each profile a line, and what two must not share is told loudly."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.tui.small_world import SmallWorld


async def test_a_line_for_each_profile(small: SmallWorld, tmp_path: Path) -> None:
    cli = small.cli
    folder = tmp_path / "home" / "s3gc"
    folder.mkdir(parents=True)
    cli.environment["XDG_CONFIG_HOME"] = str(tmp_path / "home")
    assert (await small.planned()) is not None
    text = cli.config.read_text()
    (folder / "one.toml").write_text(text)
    other = text.replace(str(small.world.config.vault_path), str(tmp_path / "other"))
    (folder / "two.toml").write_text('caution = "safe"\n' + other)
    (folder / "note.txt").write_text("no profile")
    both, refused = await asyncio.gather(
        cli.batch("status", "--all"), cli.batch("--config", str(cli.config), "status", "--all")
    )
    assert (both.code, both.summary["profiles"], both.summary["failed"]) == (0, 2, 0)
    lines = {line["profile"]: line for line in both.of("profile")}
    assert set(lines) == {"one", "two"}
    assert (lines["one"]["state"], lines["one"]["orphans"]) == ("idle", 3)
    assert lines["one"]["plans_waiting"] == 1
    assert (lines["two"]["last_scan_at"], lines["two"]["caution"]) == (None, "safe")
    assert (refused.code, "--all alone" in refused.complaints) == (2, True)
    # A copy of a vault's profile, a broken one, and a vault that cannot be opened.
    (folder / "copy.toml").write_text(text)
    (folder / "bad.toml").write_text(text.replace("retention_days = 7", "retention_days = 0"))
    (tmp_path / "file").write_text("")
    blocked = text.replace(str(small.world.config.vault_path), str(tmp_path / "file" / "x"))
    (folder / "three.toml").write_text(blocked)
    ran = await cli.batch("status", "--all")
    assert ran.code == 2
    states = {line["profile"]: line["state"] for line in ran.of("profile")}
    assert set(states) == {"one", "two", "three", "copy", "bad"}
    assert (states["bad"], states["three"]) == ("unusable", "vault-unreachable")
    told = [line for line in ran.complaints.splitlines() if line.startswith("  - ")]
    assert len(told) == 2
    assert "bad: retention_days" in told[0]
    assert "vault_path" in told[1]
    assert "in profiles copy and one" in told[1]
