"""Cells for tests: a directory, a launcher, and what a tenant's cell is made of."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientSession, DummyCookieJar

from roost.cells.environment import CellSpec, base_environment
from roost.cells.launcher import Launch, Launcher, SpawnLauncher, listen_on_loopback
from roost.cells.managed import ManagedCells
from roost.cells.secrets import cell_secrets
from roost.cells.starter import CellLimits
from roost.cells.states import CellState
from roost.cells.zygote_launcher import ZygoteLauncher
from roost.model import Slug, Tenant, TenantId

FAKE_PHOENIX = Path(__file__).with_name("fake_phoenix")
MASTER_KEY = bytes(range(32))
ACME = Tenant(TenantId("t-acme-1"), Slug("acme"), "Acme")
GLOBEX = Tenant(TenantId("t-globex-2"), Slug("globex"), "Globex")


@dataclass
class Clock:
    """Seconds since the epoch; stands still at `now` where it is given."""

    now: float | None = None

    def __call__(self) -> float:
        return time.time() if self.now is None else self.now


@dataclass
class Cellar:
    """`changes` collects every state that a cell went through: (slug's tenant id, state)."""

    root: Path
    launcher: Launcher
    session: ClientSession
    clock: Clock = field(default_factory=Clock)
    changes: list[tuple[TenantId, CellState]] = field(default_factory=list)

    def spec(self, tenant: Tenant, port: int) -> CellSpec:
        return CellSpec(
            tenant_id=tenant.id,
            slug=tenant.slug,
            home=self.root / "homes" / tenant.id,
            port=port,
            mount=f"/api/phoenix/ui/{tenant.slug}",
            public_url="http://127.0.0.1:8420",
            discovery_url=f"http://localhost:1/{tenant.id}/.well-known/openid-configuration",
            client_id=tenant.id,
            secrets=cell_secrets(MASTER_KEY, tenant.id),
        )

    def launch(self, tenant: Tenant, environment: Mapping[str, str]) -> Launch:
        """One process without anybody who looks after it; the caller closes its listener."""
        listener = listen_on_loopback()
        spec = self.spec(tenant, listener.getsockname()[1])
        spec.working_dir.mkdir(parents=True, exist_ok=True)
        return Launch(environment, spec.working_dir, spec.log_path, listener, 2 << 30)

    def fault(self, tenant: Tenant, name: str) -> None:
        """What the fake Phoenix does wrong at its next starts; "" for nothing."""
        directory = self.spec(tenant, 0).working_dir
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "fault").write_text(name)

    def states(self, tenant: Tenant) -> list[str]:
        """The names of the states, without repetition."""
        names = [type(state).__name__ for owner, state in self.changes if owner == tenant.id]
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]

    @asynccontextmanager
    async def cells(self, limits: CellLimits | None = None) -> AsyncIterator[ManagedCells]:
        self.changes.clear()
        cells = ManagedCells(
            self.launcher,
            self.spec,
            self.session,
            clock=self.clock,
            limits=limits,
            on_change=lambda tenant_id, state: self.changes.append((tenant_id, state)),
            chance=lambda: 1.0,
        )
        await cells.start()
        try:
            yield cells
        finally:
            await cells.aclose()


@asynccontextmanager
async def cellar(
    root: Path, *, fake: bool, spawn: bool = False, host: Mapping[str, str] | None = None
) -> AsyncIterator[Cellar]:
    """With the real Phoenix or the fake one, forked or spawned."""
    scratch = root / "scratch"
    scratch.mkdir(parents=True)
    environment = base_environment({**os.environ, **(host or {})}, scratch)
    if fake:
        environment["PYTHONPATH"] = str(FAKE_PHOENIX)
    environment |= host or {}
    clock = Clock()
    launcher: Launcher = SpawnLauncher(environment)
    if not spawn:
        log = root / "zygote.log"
        launcher = ZygoteLauncher(environment, log, clock=clock, fallback=launcher)
    await launcher.start()
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        try:
            yield Cellar(root, launcher, session, clock)
        finally:
            await launcher.aclose()


async def until(condition: Callable[[], bool], what: str, within_s: float = 10.0) -> float:
    """Seconds until it held; fails, saying what it waited for."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"waited {within_s} s until {what}"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def is_running(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def shown_of(pid: int) -> str:
    """What `/proc` tells of a process: its initial environment, command line, files, directory."""
    folder = Path(f"/proc/{pid}")
    files = [str(link.readlink()) for link in (folder / "fd").iterdir() if link.is_symlink()]
    texts = [(folder / name).read_bytes().decode() for name in ("environ", "cmdline")]
    return "\n".join([*texts, *files, str((folder / "cwd").readlink())])
