"""What must not be in a picture, and what stands there instead, of the same width.

Machine, user and folders are not the reader's business; ids and moments would make every picture
another one with every run.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path

USER, HOST = "ops", "gc-host-1"
FREE_BYTES = 212 << 30
# When the first picture was taken, as all of them say.
BEGIN = datetime(2026, 11, 21, 8, 30)  # noqa: DTZ001 - UTC, compared with what is read off a screen
# As long as the folder of a demo in /tmp.
_FOLDER = "/var/lib/s3gc/photo-app"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")
_MOMENT = re.compile(r"\b(20\d\d-\d\d-\d\d)((?: |&#160;)+)(\d\d:\d\d)\b")
_TIME = re.compile(r"(?<![\d:-])(\d\d):(\d\d)(:\d\d)?(?=Z|[^\d:]|$)")
_PROCESS = re.compile(r"\bprocess((?: |&#160;))(\d+)\b")


def be_somebody_else() -> None:
    """From now on this process works for somebody on a machine that does not exist."""
    socket.gethostname = lambda: HOST
    getpass.getuser = lambda: USER
    for name in ("SUDO_USER", "SSH_CONNECTION"):
        os.environ.pop(name, None)


@dataclass(slots=True)
class Neutral:
    """Replaces in an SVG. `began` is the UTC moment that becomes `BEGIN`."""

    folder: Path
    began: datetime
    _known: dict[str, str] = field(default_factory=dict)

    def clean(self, svg: str) -> str:
        """The same picture without us."""
        svg = svg.replace(str(self.folder), _FOLDER)
        svg = _ULID.sub(lambda found: self._id(found[0]), svg)
        for real, shown in self._known.items():
            # Lists show the end of an id.
            svg = re.sub(rf"\b{real[-6:]}\b", shown[-6:], svg)
        svg = _PROCESS.sub(lambda found: f"process{found[1]}{'4217385'[: len(found[2])]}", svg)
        kept: list[str] = []

        def keep(found: re.Match[str]) -> str:
            day, between, time = found.groups()
            kept.append(f"{self._moved(f'{day} {time}'):%Y-%m-%d{between}%H:%M}")
            return f"\0{len(kept) - 1}\0"

        def move(found: re.Match[str]) -> str:
            day = f"{self.began:%Y-%m-%d}"
            moved = self._moved(f"{day} {found[1]}:{found[2]}")
            return f"{moved:%H:%M}{found[3] or ''}"

        svg = _TIME.sub(move, _MOMENT.sub(keep, svg))
        return re.sub(r"\0(\d+)\0", lambda found: kept[int(found[1])], svg)

    def _moved(self, moment: str) -> datetime:
        at = datetime.strptime(moment, "%Y-%m-%d %H:%M")  # noqa: DTZ007
        return at + (BEGIN - self.began.replace(second=0, microsecond=0, tzinfo=None))

    def _id(self, real: str) -> str:
        if real not in self._known:
            digest = sha256(str(len(self._known)).encode()).digest()
            self._known[real] = "01KA" + "".join(_CROCKFORD[byte % 32] for byte in digest[:22])
        return self._known[real]
