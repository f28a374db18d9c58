"""How a cell's process comes to life: forked from a zygote, or started anew.

Rule 1: the listening socket is made here and inherited, so no other process can ever answer on a
cell's port while the keeper holds it. Rule 2: a job goes to the one process that it is for.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from roost.cells.job import ExitReason, Job

READY = "ready"
LOG_BYTES = 8 * 1024 * 1024
"""A log that has grown past this is put aside, once, when its cell starts."""


@dataclass(frozen=True, slots=True)
class Launch:
    """`environment` is added to the launcher's own; `working_dir` exists; `listener` stays the
    caller's to close."""

    environment: Mapping[str, str] = field(repr=False)
    working_dir: Path
    log_path: Path
    listener: socket.socket
    memory_bytes: int
    arguments: tuple[str, ...] = ("serve",)
    """What Phoenix's command line is told."""


@dataclass(frozen=True, slots=True)
class CellProcess:
    """`exited` is done once the process has ended and is reaped."""

    pid: int
    exited: "asyncio.Future[ExitReason]"


@dataclass(frozen=True, slots=True)
class LauncherState:
    """`phase` is `ready` or what is done now, for `seconds`; `fraction` is from 0 to 1."""

    phase: str
    seconds: float = 0.0
    fraction: float | None = None

    @property
    def is_ready(self) -> bool:
        return self.phase == READY


class Launcher(Protocol):
    """What ManagedCells needs. `launch` waits until the launcher is ready, and raises Unavailable
    where no process comes."""

    @property
    def state(self) -> LauncherState: ...
    async def start(self) -> None: ...
    async def launch(self, launch: Launch) -> CellProcess: ...
    async def kill(self, process: CellProcess, number: signal.Signals) -> None: ...
    async def aclose(self) -> None: ...


def listen_on_loopback() -> socket.socket:
    """A listening socket on a port that the system finds free."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def open_log(path: Path) -> int:
    """The log to append to, its descriptor; an overlong one becomes `<name>.1` first."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def job_of(launch: Launch, base: Mapping[str, str]) -> Job:
    return Job(
        environment={**base, **launch.environment},
        working_dir=str(launch.working_dir),
        memory_bytes=launch.memory_bytes,
        arguments=launch.arguments,
    )


@dataclass(slots=True)
class SpawnLauncher:
    """A new interpreter for each cell: slow (15 to 40 s) and 450 MB each, and works everywhere."""

    environment: Mapping[str, str] = field(repr=False)
    """`environment.base_environment`."""
    _watched: dict[int, tuple[asyncio.subprocess.Process, asyncio.Task[None]]] = field(
        default_factory=dict
    )

    @property
    def state(self) -> LauncherState:
        return LauncherState(READY)

    async def start(self) -> None:
        pass

    async def launch(self, launch: Launch) -> CellProcess:
        log = open_log(launch.log_path)
        listener = launch.listener.fileno()
        try:
            process = await asyncio.create_subprocess_exec(
                *zygote_command("--once", str(listener)),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                pass_fds=(listener,),
                start_new_session=True,
            )
        finally:
            os.close(log)
        cell = CellProcess(process.pid, asyncio.get_running_loop().create_future())
        watch = asyncio.create_task(self._watch(process, cell))
        self._watched[process.pid] = (process, watch)
        if process.stdin is not None:  # stays open: its end tells the cell that we are gone
            process.stdin.write(job_of(launch, self.environment).to_json() + b"\n")
        return cell

    async def kill(self, process: CellProcess, number: signal.Signals) -> None:
        if process.pid in self._watched:
            _send(self._watched[process.pid][0], number)

    async def aclose(self) -> None:
        for process, _ in self._watched.values():
            _send(process, signal.SIGKILL)
        await asyncio.gather(*(watch for _, watch in self._watched.values()))

    async def _watch(self, process: asyncio.subprocess.Process, cell: CellProcess) -> None:
        code = await process.wait()
        del self._watched[cell.pid]
        if not cell.exited.done():
            cell.exited.set_result(ExitReason.from_code(code))


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def zygote_command(*arguments: str) -> list[str]:
    """Run by this interpreter, with the environment and no user site."""
    return [sys.executable, "-P", "-s", "-m", "roost.cells.zygote", *arguments]
