"""A systemd unit for `s3gc follow`, as `s3gc follow --print-unit` prints it:

s3gc follow --print-unit | sudo tee /etc/systemd/system/s3gc-follow.service
sudo systemctl daemon-reload && sudo systemctl enable --now s3gc-follow
"""

from __future__ import annotations

import getpass
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

# Exit codes after which starting again cannot help: usage, and what a person has to decide.
_FINAL = "2 3"


def unit_file(options: Sequence[str]) -> str:
    """The unit for this user, this folder and this s3gc, with the given global options."""
    program = Path(sys.argv[0]).absolute()
    command = " ".join(map(_quoted, [str(program), *options, "--batch", "follow"]))
    return "\n".join(
        (
            "[Unit]",
            "Description=s3gc: keep the registry of references true",
            "Wants=network-online.target",
            "After=network-online.target time-sync.target",
            "",
            "[Service]",
            f"User={getpass.getuser()}",
            f"WorkingDirectory={Path.cwd()}",
            "# What the configuration takes from the environment, such as passwords:",
            "# EnvironmentFile=/etc/s3gc.env",
            f"ExecStart={command}",
            "Restart=always",
            "RestartSec=5",
            f"RestartPreventExitStatus={_FINAL}",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        )
    )


def _quoted(word: str) -> str:
    # systemd replaces what begins with % and $ (systemd.service(5), "Command lines").
    return shlex.quote(word).replace("%", "%%").replace("$", "$$")
