"""The keeper's own cells: woken by whoever needs one, stopped when nobody does.

Rule 1: a tenant has at most one process. Rule 2: no more than `awake_max` are awake; one that is
being stopped does not count. Rule 3: what is in use is never stopped to make room or for idleness.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

from aiohttp import ClientSession

from roost.cells.environment import CellSpec
from roost.cells.launcher import Launcher
from roost.cells.managed_cell import ManagedCell
from roost.cells.starter import CellLimits, Starter, begin_with_nothing
from roost.cells.states import Asleep, CellState, RunningCell, Up, Waking
from roost.errors import Unavailable
from roost.model import Tenant, TenantId

TIDY_EVERY_S = 15.0
_FULL = "All workspaces that may run at a time are in use. Try again in a moment."


class ManagedCells:
    """`spec_for(tenant, port)` says what a tenant's cell is. `session` is for loopback: without a
    proxy or a cookie jar. `clock` in seconds since the epoch, `chance` from 0 to 1.

    `on_change(tenant id, state)` hears every state as it begins: before a process gets SIGTERM,
    and before the port of a dead one is given back.
    """

    def __init__(
        self,
        launcher: Launcher,
        spec_for: Callable[[Tenant, int], CellSpec],
        session: ClientSession,
        *,
        clock: Callable[[], float],
        limits: CellLimits | None = None,
        on_change: Callable[[TenantId, CellState], None] = lambda tenant_id, state: None,
        chance: Callable[[], float] = random.random,
        begin: Callable[[Path], Awaitable[None]] = begin_with_nothing,
    ) -> None:
        self._launcher = launcher
        self._limits = limits or CellLimits()
        self._starter = Starter(launcher, spec_for, session, self._limits, clock, begin)
        self._clock = clock
        self._chance = chance
        self._on_change = on_change
        self._cells: dict[TenantId, ManagedCell] = {}
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look after idle cells, and have the launcher made ready."""
        await self._launcher.start()
        self._tidying = self._tidying or asyncio.create_task(self._tidy())

    async def aclose(self) -> None:
        """Stop all cells, at the same time."""
        if self._tidying is not None:
            self._tidying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tidying
        await asyncio.gather(*(cell.stop() for cell in self._cells.values()))

    async def wake(self, tenant: Tenant) -> RunningCell:
        """The tenant's running cell. However many arrive at a sleeping one, it is started once.

        Unavailable if its start fails, while it waits to be tried again, or if there is no room.
        """
        cell = self._cells.get(tenant.id) or self._new(tenant)
        return await cell.wake()

    def state(self, tenant_id: TenantId) -> CellState:
        cell = self._cells.get(tenant_id)
        if cell is None:
            return Asleep()
        launcher = self._launcher.state
        if isinstance(cell.state, Waking) and not launcher.is_ready:
            return replace(cell.state, phase=launcher.phase, fraction=launcher.fraction)
        return cell.state

    def last_exit(self, tenant_id: TenantId) -> str:
        """Why the cell last ended or failed by itself, "" if it never did. For the operator."""
        cell = self._cells.get(tenant_id)
        return "" if cell is None else cell.last_exit

    async def stop(self, tenant_id: TenantId) -> None:
        """Returns once it is asleep; the next caller wakes it again."""
        if (cell := self._cells.get(tenant_id)) is not None:
            await cell.stop()

    async def forget(self, tenant_id: TenantId) -> None:
        """Stop it for good, the tenant being deleted."""
        await self.stop(tenant_id)
        self._cells.pop(tenant_id, None)

    def hold(self, tenant_id: TenantId) -> AbstractContextManager[None]:
        """In use until the `with` block ends (an open stream)."""
        cell = self._cells.get(tenant_id)
        return contextlib.nullcontext() if cell is None else cell.held()

    def touch(self, tenant_id: TenantId) -> None:
        """In use now."""
        if (cell := self._cells.get(tenant_id)) is not None:
            cell.last_used = self._clock()

    async def stop_idle(self) -> None:
        """Stop what nobody has used for `idle_after_s`."""
        await asyncio.gather(*(cell.stop() for cell in self._unused(self._limits.idle_after_s)))

    def log_path(self, tenant: Tenant) -> Path:
        return self._starter.spec_for(tenant, 0).log_path

    def _new(self, tenant: Tenant) -> ManagedCell:
        cell = self._cells[tenant.id] = ManagedCell(
            partial(self._starter.running, tenant),
            clock=self._clock,
            chance=self._chance,
            make_room=self._make_room,
            on_change=partial(self._on_change, tenant.id),
        )
        return cell

    def _make_room(self) -> None:
        """Where all places are taken, the least recently used idle cell begins to stop."""
        if sum(cell.counts for cell in self._cells.values()) < self._limits.awake_max:
            return
        idle = self._unused(self._limits.evictable_after_s)
        if not idle:
            raise Unavailable(_FULL, reason="cells_awake_max reached", retry_after_s=5)
        min(idle, key=lambda cell: cell.last_used).begin_stop()

    def _unused(self, seconds: float) -> list[ManagedCell]:
        return [
            cell
            for cell in self._cells.values()
            if isinstance(cell.state, Up) and cell.unused_s() >= seconds and not cell.holds
        ]

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(min(TIDY_EVERY_S, self._limits.idle_after_s / 2))
            await self.stop_idle()
