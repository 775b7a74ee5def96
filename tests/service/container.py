"""`python -m tests.service.container`: the printed files, tried without a container engine.

The Containerfile's build steps run in a new virtual environment; its entry point and its health
check, as nobody in particular, with the compose file's environment. The unit is looked at by
`systemd-analyze verify` where that is installed. Ends with 1 where something does not work.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from s3gc_core.service import PRINTED
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.servers.seaweed import running_seaweed
from tests.tui.command_line import ROOT

UID = "10001"
# What the compose file lets be written: the volume, and /tmp.
WRITTEN = ("vault", "tmp")
# An interpreter that everybody may run, where there is one.
PYTHON = shutil.which("python3", path="/usr/bin") or sys.executable
TABLE = '[tables]\nfiles = ["k"]\n'


def build(text: str, prefix: Path) -> None:
    """Run the build stage's steps, with the folders of this machine for those of an image."""
    for step in re.findall(r"^RUN (.+)$", text.split("\nFROM ")[1], re.MULTILINE):
        here = step.replace("/opt/s3gc", str(prefix)).replace("/src", str(ROOT))
        sys.stdout.write(f"RUN {step}\n")
        words = here.split()
        words[0] = PYTHON if words[0] == "python" else words[0]
        subprocess.run(words, check=True)


def exec_form(text: str, instruction: str, paths: dict[str, str]) -> list[str]:
    """A command of the file, with this machine's paths."""
    found = re.search(rf"{instruction} (\[.+\])$", text, re.MULTILINE)
    if found is None:
        raise LookupError(instruction)
    words: list[str] = json.loads(found[1])
    return [paths.get(word, word) for word in words]


async def live(text: str, prefix: Path, folder: Path, server: SeaweedServer) -> bool:
    """Start it as the compose file does; whether it lives, and ends when it is asked to."""
    database = folder / "app.db"
    database.touch(0o666)
    config = folder / "s3gc.toml"
    config.write_text(f'bucket = "unset"\nendpoint_url = "{server.endpoint}"\n{TABLE}')
    for made in WRITTEN:
        (folder / made).mkdir()
        os.chown(folder / made, int(UID) if os.getuid() == 0 else -1, -1)
    paths = {"s3gc": str(prefix / "bin" / "s3gc"), "/etc/s3gc/s3gc.toml": str(config)}
    environment = {
        "PATH": f"{prefix / 'bin'}:/usr/sbin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder / "tmp"),
        "S3GC_VAULT_PATH": str(folder / "vault" / "s3gc"),
        "S3_BUCKET": "photos",
        "DATABASE_URL": f"sqlite:///{database}",
        "S3GC_EXECUTE_MODE": "false",
    }
    entry = closed(exec_form(text, "ENTRYPOINT", paths), folder)
    check = closed(exec_form(text, "CMD", paths), folder)
    process = await started(entry, environment, folder)
    try:
        async with asyncio.timeout(60):
            while await (await started(check, environment, folder)).wait() != 0:
                if process.returncode is not None:
                    return False
        process.terminate()
        async with asyncio.timeout(60):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    sys.stdout.write(said.decode())
    silent = await (await started(check, environment, folder)).wait()
    sys.stdout.write(f"it ended with {process.returncode}, its health check then with {silent}\n")
    return (process.returncode, silent) == (143, 1)


def closed(command: list[str], folder: Path) -> list[str]:
    """The command as nobody in particular, on a root that can only be read; root alone can try."""
    if os.getuid() != 0:
        sys.stdout.write("not root: tried as this user, on a root that can be written\n")
        return command
    kept = [shlex.join(["mount", "--bind", str(folder / m), str(folder / m)]) for m in WRITTEN]
    nobody = ["setpriv", "--reuid", UID, "--regid", UID, "--clear-groups", *command]
    script = " && ".join([*kept, "mount -o remount,bind,ro /", f"exec {shlex.join(nobody)}"])
    return ["unshare", "--mount", "sh", "-c", script]


async def started(
    command: list[str], environment: dict[str, str], folder: Path
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=folder / "tmp", stdout=asyncio.subprocess.PIPE
    )


def verified(prefix: Path, folder: Path) -> bool:
    """Whether systemd understands the unit; true where nobody can say."""
    if shutil.which("systemd-analyze") is None:
        sys.stdout.write("systemd-analyze is not installed: the unit was not looked at\n")
        return True
    program = [str(prefix / "bin" / "s3gc"), "--config", str(folder / "s3gc.toml")]
    printed = subprocess.run([*program, "serve", "--print-unit"], check=True, capture_output=True)
    unit = folder / "s3gc.service"
    unit.write_bytes(printed.stdout)
    looked = subprocess.run(["systemd-analyze", "verify", str(unit)], check=False)
    sys.stdout.write(f"systemd-analyze verify: exit {looked.returncode}\n")
    return looked.returncode == 0


async def main() -> int:
    text = PRINTED["containerfile"]([])
    with tempfile.TemporaryDirectory(prefix="s3gc-container-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        prefix = folder / "opt"
        build(text, prefix)
        async with running_seaweed(folder / "store") as server:
            await server.create_bucket("photos")
            lives = await live(text, prefix, folder, server)
        return 0 if lives and verified(prefix, folder) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
