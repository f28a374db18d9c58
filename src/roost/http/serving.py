"""Servers inside the keeper: an ASGI app on a socket for as long as a block runs."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from roost.errors import ConfigError
from roost.storage.lock import refuse_foreign

GRACE_S = 3


@asynccontextmanager
async def serving(
    app: ASGIApp, listening: socket.socket, chain: Path | None = None
) -> AsyncIterator[None]:
    """`chain` holds certificate and key (PEM) and makes it TLS. The socket is closed at the end."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=chain,
    )
    server = QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        # The socket listens already: who comes before uvicorn has begun waits in its queue.
        yield
    finally:
        server.should_exit = True
        await task
        listening.close()


class QuietServer(uvicorn.Server):
    """Signals are the process's own matter: uvicorn would raise them again when it has ended, and
    with that end the process before the rest is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen_tcp(host: str, port: int, setting: str) -> socket.socket:
    """ConfigError, naming the setting, where that address is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigError(
            [f"{setting}: cannot listen on {host}:{port}: {error.strerror}"]
        ) from None
    listening.listen(1024)
    return listening


def listen_unix(path: Path) -> socket.socket:
    """A socket for this user alone. What a dead keeper left there is replaced: the caller holds
    the data directory's lock."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    refuse_foreign(path.parent)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(1024)
    return listening
