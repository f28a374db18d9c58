"""Managed cells at the keeper's reception: woken when somebody asks, told of when they end."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from roost.cells.client import CellClient, open_session
from roost.cells.launcher import Launcher, LauncherState
from roost.cells.managed import ManagedCells
from roost.cells.sign_in import SignIn
from roost.cells.states import CellState, Failed, RunningCell, Up, Waking
from roost.cells.template import DATABASE, Template
from roost.cells.zygote_launcher import ZygoteLauncher
from roost.errors import NotFound
from roost.http import messages as m
from roost.http.background import Closing
from roost.http.broadcast import Broadcast
from roost.model import Tenant, TenantId

LOG_BYTES_SHOWN = 64 * 1024
AT_ONCE_S = 0.02


@dataclass(slots=True)
class ManagedDesk:
    """`homes` holds a directory a tenant."""

    cells: ManagedCells
    launcher: Launcher
    template: Template
    sign_in: SignIn
    broadcast: Broadcast
    homes: Path
    clock: Callable[[], float]
    closing: Closing
    _clients: dict[TenantId, tuple[CellClient, AsyncExitStack]] = field(default_factory=dict)
    _is_warm: bool = False
    _waking: dict[TenantId, "asyncio.Task[RunningCell]"] = field(default_factory=dict)
    _removed: set[TenantId] = field(default_factory=set)

    @property
    def launcher_state(self) -> LauncherState:
        return self.launcher.state

    async def warm(self) -> None:
        """Have the launcher made ready, which takes half a minute."""
        await self.cells.start()
        if not self._is_warm and isinstance(self.launcher, ZygoteLauncher):
            self._is_warm = True
            self.closing.soon(self.template.make())

    async def client(self, tenant: Tenant, wait_s: float) -> CellClient | m.Waking:
        """Wakes the cell; Waking where it is not up within `wait_s`. Once for all who ask."""
        if tenant.id in self._removed:
            raise NotFound("That tenant is gone.")
        await self.warm()
        self.cells.touch(tenant.id)
        state = self.cells.state(tenant.id)
        if isinstance(state, Up):
            return await self._client_of(tenant.id, state.running)
        waking = self._wake(tenant)
        # Even who does not wait hears of a failure that is known at once.
        await asyncio.wait([waking], timeout=max(wait_s, AT_ONCE_S))
        if waking.done():
            return await self._client_of(tenant.id, waking.result())
        return self._progress(tenant.id)

    async def awake(self, tenant_id: TenantId) -> CellClient | None:
        """The cell if it is up; this neither wakes it nor keeps it from falling asleep."""
        state = self.cells.state(tenant_id)
        return await self._client_of(tenant_id, state.running) if isinstance(state, Up) else None

    def row(self, tenant: Tenant) -> m.CellRow:
        state = self.cells.state(tenant.id)
        match state:
            case Up(running):
                return m.CellRow(
                    tenant=tenant.slug,
                    kind="managed",
                    state="up",
                    address=running.address,
                    pid=running.pid,
                    awake_s=self.clock() - running.started_at,
                )
            case Failed(reason):
                return m.CellRow(tenant.slug, "managed", "failed", reason)
            case Waking(phase):
                return m.CellRow(tenant.slug, "managed", "waking", phase)
            case _:
                return m.CellRow(tenant.slug, "managed", type(state).__name__.lower())

    def changed(self, tenant_id: TenantId, state: CellState) -> None:
        """Told by the cells: what belonged to an instance ends with it."""
        if isinstance(state, Up) or tenant_id not in self._clients:
            return
        client, stack = self._clients.pop(tenant_id)
        self.sign_in.forget(client.instance)
        self.broadcast.publish(m.CellGone(tenant_id, client.instance))
        self.closing.soon(stack.aclose())

    def used(self, tenant_id: TenantId) -> None:
        """Somebody uses it, by a route that they have."""
        self.cells.touch(tenant_id)

    def in_use(self, tenant_id: TenantId) -> AbstractContextManager[None]:
        """Not stopped for idleness, nor to make room, until the block ends."""
        return self.cells.hold(tenant_id)

    def is_up(self, tenant_id: TenantId, instance: str) -> bool:
        """That very instance runs."""
        state = self.cells.state(tenant_id)
        return isinstance(state, Up) and state.running.instance == instance

    def database(self, tenant_id: TenantId) -> Path:
        return self.homes / tenant_id / "phoenix" / DATABASE

    async def stop(self, tenant_id: TenantId) -> None:
        await self.cells.stop(tenant_id)

    async def remove(self, tenant_id: TenantId) -> None:
        """The cell is stopped and its home deleted, for ever: who had asked for it before does not
        wake it again."""
        self._removed.add(tenant_id)
        await self.cells.forget(tenant_id)
        home = self.homes / tenant_id
        if home.exists():
            await asyncio.to_thread(shutil.rmtree, home)

    def logs(self, tenant_id: TenantId) -> str:
        """The end of what the cell printed."""
        try:
            with (self.homes / tenant_id / "cell.log").open("rb") as log:
                log.seek(max(0, log.seek(0, 2) - LOG_BYTES_SHOWN))
                return log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    async def aclose(self) -> None:
        await self.cells.aclose()
        await self.launcher.aclose()

    def _wake(self, tenant: Tenant) -> "asyncio.Task[RunningCell]":
        task = self._waking.get(tenant.id)
        if task is None or task.done():
            task = asyncio.create_task(self.cells.wake(tenant))
            task.add_done_callback(_heard)
            self._waking[tenant.id] = task
        return task

    def _progress(self, tenant_id: TenantId) -> m.Waking:
        state = self.cells.state(tenant_id)
        if isinstance(state, Waking):
            return m.Waking(state.phase, max(0.0, self.clock() - state.since))
        return m.Waking("starting", 0.0)

    async def _client_of(self, tenant_id: TenantId, running: RunningCell) -> CellClient:
        known = self._clients.get(tenant_id)
        if known is not None and known[0].instance == running.instance:
            return known[0]
        stack = AsyncExitStack()
        client = CellClient(
            session=await stack.enter_async_context(open_session()),
            address=running.address,
            instance=running.instance,
            client_id=running.spec.client_id,
            secret=running.spec.secrets.signing,
            admin_secret=running.admin_secret,
        )
        self._clients[tenant_id] = (client, stack)
        return client


def _heard(task: "asyncio.Task[RunningCell]") -> None:
    """Whoever asked may be gone by now; the failure is in the cell's state."""
    if not task.cancelled():
        task.exception()
