"""`roost gateway`: the part that answers the network, beside a keeper that runs already."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn

from roost.cli.loop import run
from roost.errors import ConfigError
from roost.http.serving import QuietServer
from roost.settings import Settings, load_settings

if TYPE_CHECKING:
    from roost.gateway import Roost


SOCKET_MESSAGE_BYTES_MAX = 8192
"""What watchers have to say is short."""


def gateway() -> None:
    """Answer the network; `roost keeper` holds the data."""
    settings = load_settings()
    if findings := [*taken_port(settings)]:
        raise ConfigError(findings)
    run(_serve(settings))


async def _serve(settings: Settings) -> None:
    from roost.gateway import Roost  # with all its libraries: not for every command

    server = QuietServer(server_config(settings, Roost(settings, keeper="running")))
    stop_on_signals(server)
    await server.serve()


def stop_on_signals(server: QuietServer) -> asyncio.Event:
    """Ctrl-C and SIGTERM end the server; a second one ends what it still waits for. The event is
    set with the first."""
    stopping = asyncio.Event()

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return stopping


def taken_port(settings: Settings) -> Iterator[str]:
    """A finding where nobody could listen there now."""
    with socket.socket(_family(settings.host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            yield (
                f"port: cannot listen on {settings.host}:{settings.port} ({error.strerror}). "
                "Choose another with ROOST_PORT."
            )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def server_config(settings: Settings, app: "Roost") -> uvicorn.Config:
    """uvicorn without what Roost does itself: no trust in forwarded headers, no Server header."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=5,
        ws="websockets-sansio",
        ws_max_size=SOCKET_MESSAGE_BYTES_MAX,
        ws_per_message_deflate=False,  # a context a watcher would cost more than it saves
    )
