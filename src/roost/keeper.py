"""The keeper: one process that holds a data directory, its cells and what cells trust.

It builds and never decides. Everything it opens is closed in reverse order when it ends, and its
cells end with it, however it ends.
"""

import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from roost.analytics.home import HomeEvents
from roost.cells.client import open_session
from roost.cells.installed import phoenix_version
from roost.cells.managed import ManagedCells
from roost.cells.states import CellState
from roost.cells.template import Template
from roost.errors import ConfigError
from roost.http.api.cell_spans import CellSpans
from roost.http.api.route import api_routes
from roost.http.api.turns import Turns
from roost.http.api.viewer import opened_by
from roost.http.api_desk import ApiDesk
from roost.http.attached_cells import AttachedCells
from roost.http.background import Closing
from roost.http.broadcast import Broadcast
from roost.http.cell_desk import Desk
from roost.http.event_desk import EventDesk, event_routes
from roost.http.grpc_door import GrpcDoor
from roost.http.home import Home
from roost.http.keeper_api import KeeperApi
from roost.http.keeper_client import HEARTBEAT_S
from roost.http.keeper_server import keeper_app
from roost.http.lifetime import Busy, stop_signals, until_not_needed
from roost.http.live_feed import live_routes
from roost.http.live_history import LiveHistory
from roost.http.managed_cells import ManagedDesk
from roost.http.messages import socket_path
from roost.http.rate import Rate
from roost.http.serving import listen_unix, serving
from roost.identity.cache import IdentityCache
from roost.index.rows import Applied
from roost.live.outlet import Outlet
from roost.live.tokens import tenant_key
from roost.model import TenantId
from roost.parts import Parts
from roost.settings import Settings
from roost.storage.control import Control, control_database
from roost.storage.engine import sqlite_url
from roost.storage.lock import data_dir_lock
from roost.terms import ingest_terms, workbench

if TYPE_CHECKING:
    from roost.ingest.grpc import Certificate

API_THREADS = 4

log = logging.getLogger("roost.keeper")


async def run_keeper(settings: Settings, *, auto: bool = False, child: bool = False) -> None:
    """Keep until told to stop (SIGTERM, SIGINT); with `auto` until nobody needs it, as a `child`
    until standard input ends, since the parent is gone then."""
    os.umask(0o077)
    data_dir = settings.data_dir.resolve()
    with data_dir_lock(data_dir):
        async with AsyncExitStack() as stack:
            stopping = stop_signals(child=child)

            def retire() -> bool:
                if auto:
                    stopping.set()
                return auto

            keeper, busy = await _open(settings, data_dir, retire, stack)
            log.info("keeper %s holds %s", os.getpid(), data_dir)
            await until_not_needed(stopping, busy, settings.keeper_idle_after_s if auto else None)
            keeper.end_streams()
    log.info("keeper ended")


async def _open(
    settings: Settings, data_dir: Path, retire: Callable[[], bool], stack: AsyncExitStack
) -> tuple[KeeperApi, Busy]:
    """Everything, from the bottom up; the socket last, so that who finds it finds all."""
    url = sqlite_url(data_dir / "control.db")
    control = await stack.enter_async_context(control_database(url, time.time))
    await _settle(settings, control)
    parts = await Parts.open(settings, data_dir, stack)
    broadcast = Broadcast(HEARTBEAT_S)
    managed = await _managed(parts, broadcast, stack)
    attached = AttachedCells(
        control.attachments, parts.sign_in, parts.people_key, parts.secrets_of, parts.terms(), stack
    )
    desk = Desk(managed, attached, parts.sign_in, parts.people_key, time.time)

    async def home_of(tenant_id: str) -> Home:
        return await homes.of(await control.tenants.by_id(tenant_id))

    async def events_of(tenant_id: TenantId) -> HomeEvents:
        return (await home_of(tenant_id)).events

    history = LiveHistory(home_of, parts.policies, opened_by(settings.end_user_fields))
    outlet = Outlet(history, partial(tenant_key, parts.master_key), HEARTBEAT_S)

    async def applied(home: Home, step: Applied) -> None:
        await history.publish(outlet, home, step)

    homes = await stack.enter_async_context(
        parts.homes(desk, applied).running(await control.tenants.all())
    )
    api = KeeperApi(
        control,
        desk,
        homes,
        broadcast,
        settings.base_path,
        time.time,
        lambda: parts.status(managed),
        retire,
        IdentityCache(time.time, settings.identity_cache_s),
        outlet,
    )
    for tenant_id in await control.tenants.deleting():
        await api.finish_deleting(tenant_id)
    if settings.grpc_address:
        await stack.enter_async_context(_grpc(settings, api))
    socket = listen_unix(socket_path(settings.data_dir))
    threads = stack.enter_context(ThreadPoolExecutor(API_THREADS, "roost-api"))
    answers = ApiDesk(home_of, parts.policies, CellSpans(desk.connected).spans, Turns(threads))
    more = [*event_routes(EventDesk(events_of)), *live_routes(outlet), *api_routes(answers)]
    busy = Busy(keeper_app(api, *more))
    await stack.enter_async_context(serving(busy, socket))
    return api, busy


@asynccontextmanager
async def _grpc(settings: Settings, api: KeeperApi) -> AsyncIterator[None]:
    """OTLP over gRPC, into the same logs."""
    from roost.ingest.grpc import GrpcIngest, serving  # gRPC is large: only where it is wanted

    door = GrpcDoor(
        api.prove_key,
        api.believed_keys,
        Rate(settings.requests_per_minute).check,
        time.time,
    )
    ingest = GrpcIngest(
        door.admit,
        api.append_spans,
        ingest_terms(settings),
        workbench(settings),
        settings.grpc_batches_max,
        settings.grpc_read_timeout_s,
    )
    async with serving(settings.grpc_address, ingest, _grpc_certificate(settings)) as port:
        log.info("OTLP over gRPC on port %s", port)
        yield


def _grpc_certificate(settings: Settings) -> "Certificate | None":
    from roost.ingest.grpc import Certificate

    if settings.grpc_certificate is None or settings.grpc_key is None:
        return None
    try:
        return Certificate(settings.grpc_key.read_bytes(), settings.grpc_certificate.read_bytes())
    except OSError as error:
        raise ConfigError([f"grpc_certificate: cannot read {error.filename}"]) from None


async def _managed(parts: Parts, broadcast: Broadcast, stack: AsyncExitStack) -> ManagedDesk:
    """The keeper's own cells. The launcher starts when a gateway comes, or a cell is asked for: a
    keeper that answers one command imports no Phoenix."""
    closing = await stack.enter_async_context(Closing())
    session = await stack.enter_async_context(open_session())
    launcher = parts.launcher()
    changes: list[Callable[[TenantId, CellState], None]] = []

    def tell(tenant_id: TenantId, state: CellState) -> None:
        for change in changes:
            change(tenant_id, state)

    template = Template(launcher.launch, parts.data_dir / "template", phoenix_version())
    cells = ManagedCells(
        launcher,
        parts.spec,
        session,
        clock=time.time,
        limits=parts.limits(),
        on_change=tell,
        begin=template.begin,
    )
    homes = parts.data_dir / "homes"
    desk = ManagedDesk(
        cells, launcher, template, parts.sign_in, broadcast, homes, time.time, closing
    )
    changes.append(desk.changed)
    stack.push_async_callback(desk.aclose)
    return desk


async def _settle(settings: Settings, control: Control) -> None:
    """The base path is baked into each cell, so the data directory keeps it."""
    kept = await control.installation.get("base_path")
    if kept is None:
        await control.installation.put("base_path", settings.base_path)
    elif kept != settings.base_path:
        raise ConfigError(
            [
                f"base_path: this data directory was made for {kept}, not {settings.base_path}. "
                "Put it back, or start with another data_dir."
            ]
        )
