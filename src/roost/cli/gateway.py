"""`roost gateway`: the part that answers the network, beside a keeper that runs already."""

import asyncio
import signal

import uvicorn

from roost.gateway import Roost
from roost.http.serving import QuietServer
from roost.settings import Settings, load_settings


def gateway() -> None:
    """Answer the network; `roost keeper` holds the data."""
    settings = load_settings()
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    server = QuietServer(server_config(settings, Roost(settings, keeper="running")))
    stop_on_signals(server)
    await server.serve()


def stop_on_signals(server: QuietServer) -> None:
    """Ctrl-C and SIGTERM end the server; a second one ends what it still waits for."""

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def server_config(settings: Settings, app: Roost) -> uvicorn.Config:
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
        ws="none",
    )
