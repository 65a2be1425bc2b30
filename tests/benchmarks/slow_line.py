"""A line that takes 10 ms each way to a server on this machine.

``python -m tests.benchmarks.slow_line PORT`` prints the port that leads to PORT by this line.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HOST = "127.0.0.1"
ONE_WAY = 0.01


@contextmanager
def slow_line(port: int) -> Iterator[int]:
    """Yield the port of a slow line to ``port``; it is a process of its own, which nothing else holds up."""
    command = [sys.executable, "-m", "tests.benchmarks.slow_line", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as line:
        assert line.stdout is not None
        try:
            yield int(line.stdout.readline())
        finally:
            line.kill()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(65536):
            loop.call_later(ONE_WAY, writer.write, data)
    except ConnectionError:
        pass  # ended by the other side: so is this one
    loop.call_later(ONE_WAY, writer.close)


async def _serve(port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * ONE_WAY)  # as a connection takes to be set up
        there, back = await asyncio.open_connection(HOST, port)
        await asyncio.gather(_forward(reader, back), _forward(there, writer))

    line = await asyncio.start_server(connected, HOST, 0)
    sys.stdout.write(f"{line.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await line.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
