"""All homes of a keeper: opened when somebody needs one, closed when nobody does.

Rule: a home with something pending is opened when the keeper starts, so that nothing waits for its
tenant to come back.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from roost.errors import NotFound
from roost.http.home import Home
from roost.model import Tenant, TenantId

TIDY_EVERY_S = 30.0
VISIT_AFTER_S = 12 * 3600.0
VISITORS_MAX = 4

log = logging.getLogger("roost.homes")


@dataclass(slots=True)
class Homes:
    """`open_one` opens a tenant's home and closes it when its block ends. Above `open_max`, homes
    that are idle for `idle_after_s` are closed."""

    open_one: Callable[[Tenant], AbstractAsyncContextManager[Home]]
    clock: Callable[[], float]
    open_max: int = 64
    idle_after_s: float = 300.0
    _open: dict[TenantId, "asyncio.Task[Home]"] = field(default_factory=dict)
    _stacks: dict[TenantId, AsyncExitStack] = field(default_factory=dict)
    _removed: set[TenantId] = field(default_factory=set)
    _asleep: dict[TenantId, tuple[Tenant, float]] = field(default_factory=dict)
    """Homes that were closed, and when."""

    async def of(self, tenant: Tenant) -> Home:
        """The tenant's open home. However many ask, it is opened once."""
        if tenant.id in self._removed:
            raise NotFound("That tenant is gone.")
        task = self._open.get(tenant.id)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._open[tenant.id] = asyncio.create_task(self._enter(tenant))
        home = await asyncio.shield(task)
        home.used_at = self.clock()
        self._asleep.pop(tenant.id, None)
        return home

    async def remove(self, tenant_id: TenantId) -> None:
        """Closed for good, the tenant being deleted."""
        self._removed.add(tenant_id)
        await self._close(tenant_id)
        self._asleep.pop(tenant_id, None)

    @asynccontextmanager
    async def running(self, tenants: Sequence[Tenant]) -> AsyncIterator["Homes"]:
        """Opens each home once, to see what is pending in it; closes all at the end."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_at(tenants))
            tidying = tasks.create_task(self._tidy())
            try:
                yield self
            finally:
                tidying.cancel()
                for tenant_id in list(self._open):
                    await self._close(tenant_id)

    async def _look_at(self, tenants: Sequence[Tenant]) -> None:
        for tenant in tenants:
            try:
                await self.of(tenant)
            except Exception:  # the supervisor: one home that is damaged must not stop the others
                log.exception("the home of %s could not be opened", tenant.id)
            if len(self._open) > self.open_max + VISITORS_MAX:
                await self.close_idle(after_s=0)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_EVERY_S)
            try:
                await self.tidy()
            except Exception:  # the supervisor
                log.exception("the homes could not be tidied")

    async def tidy(self) -> None:
        """Ends what was begun and left, closes what is idle, and opens for a while what has been
        closed for long: retention and erasing are owed to those homes too."""
        for home in self._ready():
            await home.end_stale_erasings()
        if len(self._open) > self.open_max:
            await self.close_idle(self.idle_after_s)
        long_ago = self.clock() - VISIT_AFTER_S
        await self._look_at([tenant for tenant, at in self._asleep.values() if at < long_ago][:1])

    async def close_idle(self, after_s: float) -> None:
        """Those that nobody has used for so long and that have nothing pending."""
        for home in self._ready():
            if self.clock() - home.used_at >= after_s and home.is_idle:
                await self._close(home.tenant.id)
                self._asleep[home.tenant.id] = (home.tenant, self.clock())

    def _ready(self) -> list[Home]:
        done = [task for task in self._open.values() if task.done() and not task.cancelled()]
        return [task.result() for task in done if task.exception() is None]

    async def _enter(self, tenant: Tenant) -> Home:
        stack = AsyncExitStack()
        home = await stack.enter_async_context(self.open_one(tenant))
        self._stacks[tenant.id] = stack
        return home

    async def _close(self, tenant_id: TenantId) -> None:
        task = self._open.pop(tenant_id, None)
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)
        if (stack := self._stacks.pop(tenant_id, None)) is not None:
            await stack.aclose()
