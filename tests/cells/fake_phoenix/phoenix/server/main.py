"""Serves what the keeper asks for; the file `fault` in the cell's directory says what goes wrong.

`exit`, `silent`, `open`, `deaf`, `hungry`; and FAKE_PHOENIX_THREAD leaves a thread at import.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from phoenix.server.app import app
from phoenix.server.grpc_server import GrpcServer

if os.environ.get("FAKE_PHOENIX_THREAD"):
    threading.Thread(target=time.sleep, args=(3600,), daemon=True, name="left-over").start()


def main() -> None:
    if sys.argv[1:2] == ["db"]:
        sys.exit("there is nothing to migrate")
    fault = Path("fault").read_text() if Path("fault").exists() else ""
    if fault == "exit":
        sys.stderr.write("boom: the disk is full\n\n")
        sys.exit(3)
    if fault == "silent":
        time.sleep(3600)
    if fault == "hungry":
        b"." * (8 << 30)
    asyncio.run(_shut())
    if fault == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        uvicorn.Server.capture_signals = _without  # type: ignore[assignment, method-assign]
    config = uvicorn.Config(app(is_open=fault == "open"), lifespan="off", log_level="warning")
    uvicorn.Server(config).run()


@contextlib.contextmanager
def _without(_: uvicorn.Server) -> Iterator[None]:
    yield


async def _shut() -> None:
    await GrpcServer().__aenter__()
