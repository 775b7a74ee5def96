"""Bounded memory: an object of any size goes in and out without being held."""

from __future__ import annotations

from pathlib import Path

from tests.core.vault.fresh import run_fresh


def test_300_mib_go_in_and_out_in_less_than_120(vault: Path) -> None:
    out = run_fresh(
        """
        def peak(field):
            status = Path("/proc/self/status").read_text()
            return int(status.split(field + ":")[1].split()[0]) >> 10

        await files.create_operation(OPERATION)
        text, random, zeros = prose(1 << 20), noise(1 << 20), bytes(1 << 20)
        before = peak("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        writer = files.open_writer(OPERATION, "k", 3, 300 << 20)
        for n in range(100):
            writer.write(text)
            writer.write(random)
        for n in range(100):
            writer.write(zeros)
        backup = writer.close()
        await files.settle(OPERATION, [backup])
        await files.verify(backup)
        size = 0
        async for chunk in files.read(backup):
            size += len(chunk)
        print(backup.codec, size >> 20, peak("VmHWM") - before)
        """,
        vault,
    )
    codec, size, grown = out.split()
    assert (codec, size) == ("zstd", "300")
    assert 0 < int(grown) < 120
