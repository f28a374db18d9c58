"""What one tenant's home is made of: its log, its own database, its index, and their readers.

It builds and never decides. All of it ends with the block, in reverse order.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from roost.analytics.home import HomeEvents
from roost.analytics.queries import EventQueries
from roost.analytics.store import EventStore
from roost.analytics.taking import Terms
from roost.http.background import beside
from roost.http.home import Home
from roost.http.index_desk import IndexDesk
from roost.index.home import Index
from roost.index.rows import Applied
from roost.ingest.forward import Cell, Forward, Pace
from roost.ingest.selection import Selector, Traces
from roost.log.base import Kind, Log, Position
from roost.log.records import deletion_of
from roost.log.segments import SegmentLimits, SegmentLog
from roost.model import Tenant
from roost.policy.forwarding import ForwardPolicy
from roost.storage.engine import sqlite_url
from roost.storage.progress import Progress, home_database

RESTART_S = 5.0
SCAN_BYTES = 4 * 1024 * 1024

log = logging.getLogger("roost.home")

Connect = Callable[[Tenant], AbstractAsyncContextManager[Cell]]
OnApplied = Callable[[Home, Applied], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HomeTerms:
    """What holds for every home of this installation. `policies` are by project pattern."""

    policies: Mapping[str, ForwardPolicy] = field(default_factory=dict)
    log_limits: SegmentLimits = field(default_factory=SegmentLimits)
    pace: Pace = field(default_factory=Pace)
    events: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class HomeOpener:
    """`homes` holds a directory a tenant; `connect` leads to its cell."""

    homes: Path
    terms: HomeTerms
    connect: Connect
    on_applied: OnApplied
    clock: Callable[[], float]

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
            for name, run in (("index", index.run), ("forward", forward.run)):
                await stack.enter_async_context(beside(_supervised(f"{name} of {tenant.id}", run)))
            yield home

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
        index = await loop.run_in_executor(thread, Index.open, path / "index.db")
        stack.callback(index.close)
        return IndexDesk(index, records, thread, tell)

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


async def _supervised(name: str, run: Callable[[], Coroutine[object, object, None]]) -> None:
    """A reader of the log goes on whatever happens to it: where it stands is in its cursor."""
    while True:
        try:
            await run()
        except Exception:  # the supervisor
            log.exception("%s failed, and goes on in %s s", name, RESTART_S)
        await asyncio.sleep(RESTART_S)
