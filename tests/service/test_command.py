"""`s3gc serve` as its user runs it, what systemd hears of it, and what is refused at the start."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from tests.api.asking import ADMIN
from tests.api.test_serving import curl
from tests.servers.process import free_port
from tests.service.scene import Scene
from tests.tui.command_line import ended


class Systemd:
    """The socket that a unit of Type=notify is given."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(30)
        self.heard: list[str] = []

    async def until(self, state: str) -> None:
        """Listen until it is told this."""
        while state not in self.heard:
            self.heard.append((await asyncio.to_thread(self._socket.recv, 99)).decode())

    def close(self) -> None:
        self._socket.close()


async def test_a_life_of_serving(scene: Scene, tmp_path: Path) -> None:
    cli = scene.cli
    assert (await cli.batch("serve", "--check")).summary["error"] == "not-serving"
    systemd = Systemd(tmp_path / "notify")
    cli.environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
    port = free_port()
    cli.environment |= {"S3GC_ADMIN_API_KEY": ADMIN, "S3GC_API_PORT": str(port)}
    process = await cli.start("--batch", "serve")
    await systemd.until("READY=1")
    for _ in range(2):
        systemd.heard.clear()
        await systemd.until("WATCHDOG=1")
    await scene.until(lambda s: bool(s.timed) and s.timed["run"].next_at is not None)
    async with asyncio.timeout(40):  # one that is not refused would serve
        check, status, second = await asyncio.gather(
            cli.batch("serve", "--check"), cli.batch("status"), cli.batch("serve")
        )
    assert (check.code, check.summary["profiles"]) == (0, ["s3gc"])
    assert status.summary["serving_since"] is not None
    assert status.summary["next_run"][10:] == "T02:30:00Z"
    assert status.summary["last_run_outcome"] is None
    assert (second.code, second.summary["error"]) == (5, "vault-busy")
    base, header = f"http://127.0.0.1:{port}/admin/s3gc", f"Authorization: Bearer {ADMIN}"
    code, told = await curl("-H", header, f"{base}/status")
    assert (code, told["service"]["timed"]["run"]["next_at"][10:]) == (200, "T02:30:00Z")
    process.terminate()
    await systemd.until("STOPPING=1")
    ran = await ended(process)
    assert (ran.code, ran.summary["outcome"]) == (143, "cancelled")
    assert [r["service_event"] for r in ran.of("service")] == ["serving", "stopping"]
    assert ADMIN not in ran.text + ran.complaints
    assert (await cli.batch("status")).summary["serving_since"] is None
    systemd.close()


def problems(stderr: str) -> list[str]:
    return [line.strip() for line in stderr.splitlines() if line.startswith("  - ")]


async def test_what_is_refused_at_the_start(scene: Scene, tmp_path: Path) -> None:
    cli = scene.cli
    folder = tmp_path / "home" / "s3gc"
    folder.mkdir(parents=True)
    text = cli.config.read_text()
    (folder / "one.toml").write_text(text)
    (folder / "two.toml").write_text(text)
    cli.environment["XDG_CONFIG_HOME"] = str(tmp_path / "home")
    wrong = "\n".join(["# a comment", text.replace('"02:30"', '"61 * * * *"')])
    cli.config.write_text(wrong)
    shared, both, cron = await asyncio.gather(
        cli.batch("--profile", "one", "serve", "--also", "two"),
        cli.batch("--profile", "one", "serve", "--all-profiles"),
        cli.batch("serve"),
    )
    assert [ran.code for ran in (shared, both, cron)] == [2, 2, 2]
    [told] = problems(shared.complaints)
    assert "vault_path" in told
    assert "in profiles one and two" in told
    assert "--all-profiles alone" in problems(both.complaints)[0]
    [told] = problems(cron.complaints)
    assert "schedule_cron (line 2)" in told
    assert "minute within 0-59" in told
