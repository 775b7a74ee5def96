"""`python -m tests.identity [--images FOLDER] [--largest BYTES]`: all that is hard to bring back.

Pillow's own test images (from its source distribution, fetched with pip into FOLDER unless they
are there), every header, odd keys, and sizes around every limit up to the largest. On SeaweedFS,
and but for the large ones on ministack. Ends with 1 where something came back otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest

from s3gc_core.config import Config
from tests.identity.collecting import NotIdentical, collect_and_restore, tracked
from tests.identity.objects import odd_keys, pictures, sized, with_headers
from tests.identity.store import MIB, Store, Upload
from tests.servers.app_database import AppDatabase
from tests.servers.ministack import running_ministack
from tests.servers.seaweed import S3Server, running_seaweed
from tests.world import World

SIZES = (0, 1, 511, 512, 513, 128 * 1024 - 1, 128 * 1024, MIB + 1, 64 * MIB, 64 * MIB + 1)
PARTS = (5 * MIB, 8 * MIB)


def images_in(folder: Path) -> dict[str, Upload]:
    """Pillow's test images, by pip if they are not in `folder` yet."""
    name = f"pillow-{version('pillow')}.tar.gz"
    if not (folder / name).exists():
        command = [sys.executable, "-m", "pip", "download", f"pillow=={version('pillow')}"]
        options = ["--no-binary", ":all:", "--no-deps", "-q"]
        subprocess.run([*command, *options, "-d", str(folder)], check=True)
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder, filter="data")
    root = folder / name.removesuffix(".tar.gz") / "Tests" / "images"
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {f"pillow/{p.relative_to(root)}": Upload(partial(_read, p)) for p in files}


def _read(path: Path) -> Iterator[bytes]:
    yield path.read_bytes()


async def run(images: Path, largest: int) -> int:
    """Everything on both stores; 1 where something came back otherwise."""
    torture = await asyncio.to_thread(images_in, images)
    small = {**with_headers(), **pictures(), **sized(*SIZES[:8]), **torture}
    small |= sized(*(PARTS[0] + n for n in (0, 1)), 1, part_size=PARTS[0])
    large = sized(*SIZES[8:]) | sized(3 * PARTS[1] + 7, 200 * MIB, part_size=PARTS[1])
    tame = {k: v for k, v in odd_keys(wild=False).items() if k not in ("a", "a/b")}
    found = 0
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as environment:
        folder = Path(name)
        for part in ("weed", "ministack"):
            (folder / part).mkdir()
        async with (
            running_seaweed(folder / "weed") as weed,
            running_ministack(folder / "ministack") as ministack,
        ):
            chosen: list[tuple[str, S3Server, dict[str, Upload]]] = [
                ("ministack", ministack, small | odd_keys(wild=True)),
                ("seaweed", weed, small | tame),
                ("seaweed large", weed, large),
            ]
            if largest:
                chosen.append(("largest", weed, sized(largest, part_size=64 * MIB)))
            for number, (what, server, uploads) in enumerate(chosen):
                environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
                environment.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
                environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-credentials"))
                environment.setenv("AWS_ACCESS_KEY_ID", server.access_key)
                environment.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
                began = time.monotonic()
                try:
                    seen = await _on(server, folder / f"{number}", uploads)
                except NotIdentical as error:
                    found = 1
                    sys.stdout.write(f"{what}: NOT IDENTICAL: {error}\n")
                else:
                    took = time.monotonic() - began
                    sys.stdout.write(
                        f"{what}: {len(uploads)} objects, {seen} bytes, {took:.0f} s\n"
                    )
                sys.stdout.flush()
    return found


async def _on(server: S3Server, folder: Path, uploads: dict[str, Upload]) -> int:
    """One store, one vault; how many bytes there were."""
    bucket = f"identity-{folder.name}"
    (folder / "vault").mkdir(parents=True, mode=0o700)
    await server.create_bucket(bucket)
    store = Store(server.endpoint, bucket, server.access_key, server.secret_key)
    database = AppDatabase(f"sqlite:///{folder / 'app.db'}")
    config = Config(bucket=bucket, endpoint_url=server.endpoint, vault_path=folder / "vault")
    try:
        world = await tracked(World(config, database))
        before = await collect_and_restore(world, store, uploads)
    finally:
        await database.close()
    return sum(seen.size for seen in before.values())


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.identity", description=__doc__)
    parser.add_argument("--images", type=Path, default=Path(tempfile.gettempdir()) / "s3gc-images")
    parser.add_argument("--largest", type=int, default=6 << 30, help="bytes; 0 for none")
    chosen = parser.parse_args()
    chosen.images.mkdir(parents=True, exist_ok=True)
    return asyncio.run(run(chosen.images, chosen.largest))


if __name__ == "__main__":
    sys.exit(main())
