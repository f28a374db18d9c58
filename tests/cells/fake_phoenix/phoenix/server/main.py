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
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn

from phoenix.server.grpc_server import GrpcServer

if os.environ.get("FAKE_PHOENIX_THREAD"):
    threading.Thread(target=time.sleep, args=(3600,), daemon=True, name="left-over").start()


def main() -> None:
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
    uvicorn.Server(uvicorn.Config(_app(fault), lifespan="off", log_level="warning")).run()


@contextlib.contextmanager
def _without(_: uvicorn.Server) -> Iterator[None]:
    yield


async def _shut() -> None:
    await GrpcServer().__aenter__()


def _app(
    fault: str,
) -> Callable[
    [Mapping[str, Any], object, Callable[[Mapping[str, Any]], Awaitable[None]]], Awaitable[None]
]:
    admin = b"Bearer " + os.environ["PHOENIX_ADMIN_SECRET"].encode()

    async def app(
        scope: Mapping[str, Any],
        receive: object,
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        known = dict(scope["headers"]).get(b"authorization") == admin
        private = scope["path"] != "/readyz" and fault != "open"
        status = 401 if private and not known else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

    return app
