"""From a tenant to a running, proved cell, and its orderly end.

Rule: whatever happens in between, `running` leaves no process, no socket and no secret behind.
"""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession

from roost.cells.environment import CellSpec, cell_environment
from roost.cells.job import ExitReason
from roost.cells.launcher import CellProcess, Launch, Launcher, listen_on_loopback
from roost.cells.probe import Probe
from roost.cells.states import RunningCell
from roost.errors import Unavailable
from roost.model import Tenant

LAUNCHING = "waiting for a process"
STARTING = "starting the workspace"
NICENESS = 5
"""Cells stand back behind gateway and keeper, once they are up."""
_FAILED = "Phoenix of this tenant could not be started. See `roost cells logs`."
_LAST_WORDS_BYTES = 4096
_LAST_WORDS_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class CellLimits:
    """`start_timeout_s` is for Phoenix's start, and again for the launcher's own. A cell that got
    SIGTERM has `stop_grace_s` to finish what it does. `memory_bytes` is a process's private memory
    (RLIMIT_DATA), 360 MB of which is Phoenix's import."""

    start_timeout_s: float = 120.0
    stop_grace_s: float = 10.0
    memory_bytes: int = 2 * 1024**3
    awake_max: int = 8
    idle_after_s: float = 900.0
    evictable_after_s: float = 10.0
    """A cell in use within so many seconds is not stopped to make room for another."""


@dataclass(frozen=True, slots=True)
class Started:
    running: RunningCell
    process: CellProcess

    async def end(self) -> str:
        """Waits until it has ended; why it did, with its last words if it failed."""
        await asyncio.wait([self.process.exited])
        return describe_exit(self.process.exited.result(), self.running.spec.log_path)


async def begin_with_nothing(working_dir: Path) -> None:
    """A cell that begins with nothing makes its database itself."""


@dataclass(frozen=True, slots=True)
class Starter:
    """`spec_for(tenant, port)` says what the cell is; `clock` is in seconds since the epoch."""

    launcher: Launcher
    spec_for: Callable[[Tenant, int], CellSpec]
    session: ClientSession
    limits: CellLimits
    clock: Callable[[], float]
    begin: Callable[[Path], Awaitable[None]] = begin_with_nothing
    """Told of a cell's directory before its process starts: a new one may get a database."""

    @asynccontextmanager
    async def running(self, tenant: Tenant, tell: Callable[[str], None]) -> AsyncIterator[Started]:
        """The cell, until the block ends; `tell` hears of each phase. Unavailable if it fails."""
        with contextlib.closing(listen_on_loopback()) as listener:
            spec = self.spec_for(tenant, listener.getsockname()[1])
            launch = Launch(
                environment=cell_environment(spec),
                working_dir=spec.working_dir,
                log_path=spec.log_path,
                listener=listener,
                memory_bytes=self.limits.memory_bytes,
            )
            spec.working_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            await self.begin(spec.working_dir)
            tell(LAUNCHING)
            async with self._in_time("its launcher"):
                process = await self.launcher.launch(launch)
            try:
                tell(STARTING)
                async with self._in_time("its start"):
                    await self._come_up(spec, process)
                running = RunningCell(spec, secrets.token_hex(8), process.pid, self.clock())
                yield Started(running, process)
            finally:
                listener.close()  # from here on a call is refused, it does not wait
                await self._stop(process)

    @asynccontextmanager
    async def _in_time(self, what: str) -> AsyncIterator[None]:
        limit_s = self.limits.start_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError:
            raise Unavailable(_FAILED, reason=f"{what} took more than {limit_s:g} s") from None

    async def _come_up(self, spec: CellSpec, process: CellProcess) -> None:
        probe = Probe(self.session, spec.address)
        ready = asyncio.create_task(probe.until_ready())
        first: set[asyncio.Future[None] | asyncio.Future[ExitReason]] = {ready, process.exited}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if process.exited.done():
            why = describe_exit(process.exited.result(), spec.log_path)
            raise Unavailable(_FAILED, reason=why)
        await probe.prove(spec.secrets.admin)
        with contextlib.suppress(OSError):  # it may be gone by now
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)

    async def _stop(self, process: CellProcess) -> None:
        """SIGTERM, grace, SIGKILL; a second cancellation ends the grace."""
        try:
            await self.launcher.kill(process, signal.SIGTERM)
            await asyncio.wait({process.exited}, timeout=self.limits.stop_grace_s)
        finally:
            await self.launcher.kill(process, signal.SIGKILL)
            await asyncio.wait({process.exited}, timeout=self.limits.stop_grace_s)


def describe_exit(reason: ExitReason, log_path: Path) -> str:
    """Why a process ended, with the log's last line where it says more."""
    words = last_words(log_path) if reason.code else ""
    return f"{reason}: {words}" if words else str(reason)


def last_words(log_path: Path) -> str:
    """The last line of a log, "" if there is none."""
    try:
        with log_path.open("rb") as log:
            log.seek(max(0, log_path.stat().st_size - _LAST_WORDS_BYTES))
            lines = log.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[
        :_LAST_WORDS_CHARACTERS
    ]
