"""What one tenant's home is made of: its log, its own database, its index, and their readers.

It builds and never decides. All of it ends with the block, in reverse order.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from roost.analytics.home import HomeEvents
from roost.analytics.queries import EventQueries
from roost.analytics.store import EventStore
from roost.analytics.taking import Terms
from roost.cells.ledger_view import CellView
from roost.http.background import beside
from roost.http.home import Home
from roost.http.home_upkeep import UpkeepTerms, chores_of, remember_deletions
from roost.http.index_desk import IndexDesk
from roost.http.rebuild import Rebuilder
from roost.http.reconcile import Reconciler
from roost.index.generations import current
from roost.index.home import Index
from roost.index.rows import Applied
from roost.ingest.forward import Cell, Forward, Pace
from roost.ingest.selection import Selector, Traces
from roost.ingest.upkeep import keep_up
from roost.log.base import Kind, Log, Position
from roost.log.records import deletion_of
from roost.log.segments import SegmentLimits, SegmentLog
from roost.model import Tenant
from roost.policy.forwarding import ForwardPolicy
from roost.storage.engine import sqlite_url
from roost.storage.marks import Marks
from roost.storage.progress import Progress, home_database

RESTART_S = 5.0
SCAN_BYTES = 4 * 1024 * 1024

log = logging.getLogger("roost.home")

Connect = Callable[[Tenant], AbstractAsyncContextManager[Cell]]
Loop = Callable[[], Coroutine[object, object, None]]
View = Callable[[Tenant], Awaitable[CellView | None]]
OnApplied = Callable[[Home, Applied], Awaitable[None]]


async def _asleep(_: Tenant) -> None:
    """Nothing is read of the cell."""


@dataclass(frozen=True, slots=True)
class HomeTerms:
    """What holds for every home of this installation. `policies` are by project pattern."""

    policies: Mapping[str, ForwardPolicy] = field(default_factory=dict)
    log_limits: SegmentLimits = field(default_factory=SegmentLimits)
    pace: Pace = field(default_factory=Pace)
    events: Terms = field(default_factory=Terms)
    upkeep: UpkeepTerms = field(default_factory=UpkeepTerms)


@dataclass(frozen=True, slots=True)
class HomeOpener:
    """`homes` holds a directory a tenant; `connect` leads to its cell, `view` reads it while it is
    up."""

    homes: Path
    terms: HomeTerms
    connect: Connect
    on_applied: OnApplied
    clock: Callable[[], float]
    view: View = _asleep

    @asynccontextmanager
    async def open(self, tenant: Tenant) -> AsyncIterator[Home]:
        path = self.homes / tenant.id
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            url = sqlite_url(path / "app.db")
            engine = await stack.enter_async_context(home_database(url))
            progress = Progress(engine, self.clock)
            records = await SegmentLog.open(
                path / "log", limits=self.terms.log_limits, clock=self.clock
            )
            stack.push_async_callback(records.aclose)

            async def tell(applied: Applied) -> None:
                await self.on_applied(home, applied)

            index = await self._index(path, records, tell, stack)
            forward = self._forward(tenant, records, progress, index)
            events = await stack.enter_async_context(
                EventStore.open(engine, self.terms.events, self.clock)
            )
            home = Home(
                tenant,
                records,
                progress,
                index,
                forward,
                HomeEvents(events, EventQueries(engine)),
                self.clock,
                self.clock(),
            )
            await _bury_what_is_pending(home)
            loops = {"index": index.run, "forward": forward.run, **await self._upkeep(home, path)}
            for name, run in loops.items():
                await stack.enter_async_context(beside(_supervised(f"{name} of {tenant.id}", run)))
            yield home

    async def _upkeep(self, home: Home, path: Path) -> dict[str, Loop]:
        """What goes on beside the readers of the log."""
        tenant, terms, marks = home.tenant, self.terms, Marks(home.progress.engine)
        view = partial(self.view, tenant)
        await remember_deletions(home.index, marks)
        reconciler = await Reconciler.open(home, view, marks, terms.policies, self.clock)
        rebuilder = Rebuilder(home, path, marks, partial(self.connect, tenant), view, reconciler)
        home.rebuilder = rebuilder
        chores = chores_of(home, marks, terms.policies, terms.upkeep, self.clock)
        return {
            "reconciliation": reconciler.run,
            "rebuilding": rebuilder.run,
            "upkeep": partial(keep_up, tenant.id, chores),
        }

    async def _index(
        self,
        path: Path,
        records: Log,
        tell: Callable[[Applied], Awaitable[None]],
        stack: AsyncExitStack,
    ) -> IndexDesk:
        thread = ThreadPoolExecutor(1, "roost-index")
        stack.callback(thread.shutdown)
        loop = asyncio.get_running_loop()
        index = await loop.run_in_executor(thread, lambda: Index.open(current(path)))
        desk = IndexDesk(index, records, thread, tell)
        stack.push_async_callback(desk.aclose)
        return desk

    def _forward(
        self, tenant: Tenant, records: Log, progress: Progress, index: IndexDesk
    ) -> Forward:
        traces = Traces(index.failed, index.earlier, records.get)
        selector = Selector(progress.buried, progress.emptied, self.terms.policies, traces)
        return Forward(
            records,
            progress,
            lambda: self.connect(tenant),
            selector.select,
            self.clock,
            self.terms.pace,
        )


async def _bury_what_is_pending(home: Home) -> None:
    """A deletion whose tombstone was not written before a crash stands in the log."""
    after = Position(await home.progress.cursor())
    while records := await home.log.read(after, SCAN_BYTES):
        for record in records:
            if record.kind is Kind.DELETION:
                await home.bury(deletion_of(record.body), record.position)
        after = records[-1].position


async def _supervised(name: str, run: Loop) -> None:
    """A reader of the log goes on whatever happens to it: where it stands is in its cursor."""
    while True:
        try:
            await run()
        except Exception:  # the supervisor
            log.exception("%s failed, and goes on in %s s", name, RESTART_S)
        await asyncio.sleep(RESTART_S)
