"""`:ctx NAME`: from one profile's dashboard to another's, in a real terminal."""

from __future__ import annotations

from pathlib import Path

from tests.tui.small_world import SmallWorld
from tests.tui.terminal.test_real_terminal import DASHBOARD, leaves_as_it_came
from tests.tui.terminal.tmux import Terminal, terminal


async def go_to(term: Terminal, profile: str) -> None:
    """Type it, once there is a line for it above the keys."""
    term.press(":")
    await term.until(lambda screen: not screen.lines[-2].strip())
    term.press("-l", f"ctx {profile}")
    await term.until(lambda screen: screen.lines[-2].strip() == f"ctx {profile}")
    term.press("Enter")


async def test_another_profile_is_opened_read_only_and_none_that_is_not_there(
    small: SmallWorld, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "s3gc"
    folder.mkdir(parents=True)
    await small.planned()
    text = small.cli.config.read_text()
    (folder / "one.toml").write_text(text)
    other = text.replace(str(small.world.config.vault_path), str(tmp_path / "other"))
    (folder / "two.toml").write_text(other)
    (folder / "bad.toml").write_text(text.replace("retention_days = 7", "retention_days = 0"))
    variables = small.cli.variables(XDG_CONFIG_HOME=str(tmp_path / "home"))
    with terminal([*DASHBOARD, "--profile", "one", "--write"], variables) as term:
        await term.shows("gone/a.txt", "proposed")
        for name, told in (
            ("nowhere", "(not there)"),
            ("bad", "retention_days"),
            (".x", "letters, digits"),
        ):
            await go_to(term, name)
            await term.until(lambda screen, told=told: told in screen.lines[-3])  # type: ignore[misc]
            assert "gone/a.txt" in term.screen().text
        await go_to(term, "two")
        shown = await term.until(
            lambda screen: "[READ-ONLY]" in screen.lines[0] and "gone/a.txt" not in screen.text
        )
        assert "two" in shown.lines[0]
        await leaves_as_it_came(term)
