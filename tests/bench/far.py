"""A store further away: `python -m tests.bench.far PORT MILLISECONDS` tells where it listens.

What is sent either way arrives half a round trip later, in order, as over a wire: nothing waits for
what was sent before it. A process of its own, as small as can be.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK = 1 << 16


@asynccontextmanager
async def far_away(endpoint: str, milliseconds: int) -> AsyncIterator[str]:
    """The endpoint at that round trip; with 0 the endpoint itself."""
    if not milliseconds:
        yield endpoint
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.far"),
        *(str(urlsplit(endpoint).port), str(milliseconds)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: float) -> None:
    loop = asyncio.get_running_loop()
    sent: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def arrive() -> None:
        while True:
            at, data = await sent.get()
            await asyncio.sleep(at - loop.time())
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    arriving = asyncio.create_task(arrive())
    try:
        while data := await reader.read(CHUNK):
            sent.put_nowait((loop.time() + late, data))
    finally:
        sent.put_nowait((loop.time() + late, b""))
        await arriving


async def _main(port: int, milliseconds: int) -> None:
    late = milliseconds / 2000
    begun: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        for carried in (_carry(reader, back, late), _carry(there, writer, late)):
            task = asyncio.create_task(carried)
            begun.add(task)
            task.add_done_callback(begun.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
