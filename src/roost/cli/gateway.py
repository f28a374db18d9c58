"""`roost gateway`: the part that answers the network, beside a keeper that runs already."""

import uvicorn

from roost.gateway import Roost
from roost.settings import Settings, load_settings


def gateway() -> None:
    """Answer the network; `roost keeper` holds the data."""
    settings = load_settings()
    uvicorn.Server(server_config(settings, Roost(settings, keeper="running"))).run()


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
