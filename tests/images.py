"""`python -m tests.images FOLDER [--compact]`: every file below it goes through the vault and back.

For test sets of odd pictures, such as Tests/images of Pillow's source archive. Ends with 1 where
one does not come back byte for byte; says how many became JPEG XL, and what that saved. With
`--compact` says instead what would become of each as a LOSSY copy; ends with 1 where a copy is not
what was promised.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from s3gc_core.vault import BackupDamaged, BackupFiles
from s3gc_core.vault.compact import Compact, compacted, refuse_unlike
from s3gc_core.vault.compact_rules import WhyExact
from s3gc_core.vault.encoding import most_as_compact
from s3gc_core.vault.jpeg_header import START

OPERATION = "01K0000000000000000000000A"
_CHUNK = 1 << 20


async def through(files: BackupFiles, key: str, data: bytes) -> tuple[str, int, bool]:
    """Codec and stored size of a backup of these bytes, and whether they came back."""
    writer = files.open_writer(OPERATION, key, 3, len(data), jpegxl=True)
    for start in range(0, len(data), _CHUNK):
        writer.write(data[start : start + _CHUNK])
    (backup,) = await files.settle(OPERATION, [writer.close()])
    await files.verify(backup)
    same = b"".join(files.open_raw(backup)) == data
    return backup.codec, backup.stored_size, same


async def run(folder: Path) -> int:
    """Try every file."""
    codecs: Counter[str] = Counter()
    jpegs: Counter[str] = Counter()
    before = after = 0
    different: list[str] = []
    with tempfile.TemporaryDirectory() as vault:
        files = BackupFiles(Path(vault))
        await files.create_operation(OPERATION)
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            data = await asyncio.to_thread(path.read_bytes)
            codec, stored, same = await through(files, str(path), data)
            codecs[codec] += 1
            if not same:
                different.append(str(path))
            if data.startswith(START):
                jpegs[codec] += 1
                before, after = before + len(data), after + stored
    saved = 1 - after / before if before else 0.0
    sys.stdout.write(f"{codecs.total()} files by codec: {dict(codecs)}\n")
    sys.stdout.write(f"JPEG: {dict(jpegs)}; {before} bytes, {saved:.1%} saved\n")
    sys.stdout.write("".join(f"DIFFERENT {path}\n" for path in different))
    return 1 if different else 0


def run_compact(folder: Path) -> int:
    """What would become of every file, by the name of its verdict."""
    verdicts: dict[str, list[str]] = {}
    before = after = 0
    wrong: list[str] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        copy = compacted(data, most_as_compact(data))
        if isinstance(copy, Compact):
            before, after = before + len(data), after + len(copy.data)
            try:
                refuse_unlike(copy.data, copy.width, copy.height)
            except BackupDamaged as error:
                wrong.append(f"WRONG {path}: {error.what}\n")
        verdict = copy.name if isinstance(copy, WhyExact) else "LOSSY"
        verdicts.setdefault(verdict, []).append(path.name)
    for verdict, names in sorted(verdicts.items()):
        shown = "" if verdict == WhyExact.FORMAT.name else f" {' '.join(names)}"
        sys.stdout.write(f"{verdict} {len(names)}{shown}\n")
    saved = 1 - after / before if before else 0.0
    sys.stdout.write(f"LOSSY: {before} bytes, {saved:.1%} saved\n{''.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.images", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--compact", action="store_true")
    given = parser.parse_args()
    sys.exit(run_compact(given.folder) if given.compact else asyncio.run(run(given.folder)))
