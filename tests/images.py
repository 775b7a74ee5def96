"""`python -m tests.images FOLDER`: every file below it goes through the vault as a backup and back.

For test sets of odd pictures, such as Tests/images of Pillow's source archive. Ends with 1 where
one does not come back byte for byte; says how many became JPEG XL, and what that saved.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from s3gc_core.vault import BackupFiles
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.images", description=__doc__)
    parser.add_argument("folder", type=Path)
    sys.exit(asyncio.run(run(parser.parse_args().folder)))
