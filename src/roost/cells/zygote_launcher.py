"""The keeper's side of the zygote: starts it, asks it for cells, hears of their ends.

Rule 1: one task owns the zygote and starts it again, with back-off, when it dies; its cells have
died with it. Rule 2: where a fork would not be safe, cells are started by the fallback instead.
"""

import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from roost.cells.backoff import Backoff
from roost.cells.job import ExitReason, pipe_with
from roost.cells.launcher import (
    READY,
    CellProcess,
    Launch,
    Launcher,
    LauncherState,
    job_of,
    open_log,
    zygote_command,
)
from roost.cells.zygote import MAX_MESSAGE_BYTES
from roost.errors import Unavailable

IMPORTING = "starting Phoenix"
PAUSING = "waiting to start Phoenix again"
EXPECTED_MODULES = 6900
"""What the import of Phoenix 20 asks for, about; only the progress bar depends on it."""
_FAILED = "Phoenix of this tenant could not be started. See `roost cells logs`."
_log = logging.getLogger(__name__)


class _Message(msgspec.Struct, frozen=True):
    """Any message of the zygote: `zygote.py` says which fields go together."""

    modules: int | None = None
    ready: int | None = None
    unsafe: str | None = None
    forked: int | None = None
    failed: int | None = None
    pid: int = 0
    why: str = ""
    exited: int | None = None
    code: int = 0
    oom: bool = False


class ZygoteLauncher:
    """`environment` is `environment.base_environment`; `clock` in seconds."""

    def __init__(
        self,
        environment: Mapping[str, str],
        log_path: Path,
        *,
        clock: Callable[[], float],
        fallback: Launcher,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._environment = dict(environment)
        self._log_path = log_path
        self._clock = clock
        self._fallback = fallback
        self._backoff = Backoff(chance)
        self._usable = asyncio.Event()
        self._unsafe = ""
        self._is_closed = False
        self._phase, self._since, self._modules = IMPORTING, clock(), 0
        self._control: socket.socket | None = None
        self._tickets: dict[int, asyncio.Future[CellProcess]] = {}
        self._last_ticket = 0
        self._cells: dict[int, CellProcess] = {}
        self._owner: asyncio.Task[None] | None = None

    @property
    def state(self) -> LauncherState:
        seconds = self._clock() - self._since
        if self._phase == IMPORTING:
            return LauncherState(IMPORTING, seconds, min(0.99, self._modules / EXPECTED_MODULES))
        return LauncherState(self._phase, seconds)

    async def start(self) -> None:
        """Begin; `launch` waits until it is ready."""
        self._owner = self._owner or asyncio.create_task(self._keep_alive())

    async def launch(self, launch: Launch) -> CellProcess:
        await self._usable.wait()
        if self._is_closed:
            raise Unavailable(_FAILED, reason="the keeper is ending")
        if self._unsafe or self._control is None:
            return await self._fallback.launch(launch)
        return await self._ask(self._control, launch)

    async def kill(self, process: CellProcess, number: signal.Signals) -> None:
        if process.pid not in self._cells:
            await self._fallback.kill(process, number)
        else:
            self._kill(process.pid, number)

    async def aclose(self) -> None:
        self._is_closed = True
        if self._owner is not None:
            self._owner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._owner
        self._usable.set()  # whoever waits to launch is told
        await self._fallback.aclose()

    async def _ask(self, control: socket.socket, launch: Launch) -> CellProcess:
        """A fork. Unavailable where the zygote dies or refuses."""
        self._last_ticket += 1
        ticket = self._last_ticket
        answer: asyncio.Future[CellProcess] = asyncio.get_running_loop().create_future()
        self._tickets[ticket] = answer
        fds = [pipe_with(job_of(launch, self._environment).to_json()), launch.listener.fileno()]
        fds.append(open_log(launch.log_path))
        try:
            socket.send_fds(control, [json.dumps({"fork": ticket}).encode()], fds)
            return await answer
        except OSError as error:
            raise Unavailable(_FAILED, reason=f"the zygote does not listen: {error}") from None
        finally:
            del self._tickets[ticket]
            os.close(fds[0])
            os.close(fds[2])

    async def _keep_alive(self) -> None:
        while not self._unsafe:
            self._enter(IMPORTING)
            began = self._clock()
            await self._live_once()
            if not self._unsafe:
                pause_s = self._backoff.failed(after_s=self._clock() - began)
                _log.error("the zygote died; starting it again in %.1f s", pause_s)
                self._enter(PAUSING)
                await asyncio.sleep(pause_s)
        _log.warning("cells are started one by one, slowly: forking is not safe: %s", self._unsafe)
        self._enter(READY)
        self._usable.set()

    async def _live_once(self) -> None:
        """From the zygote's start to its end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.closing(ours):  # whose end is its sign to end
            ours.setblocking(False)
            with contextlib.closing(theirs):
                process = await self._spawn(theirs.fileno())
            try:
                await self._listen(ours)
            finally:
                self._usable.clear()
                self._control = None
                self._mourn()
                ours.close()
                await process.wait()

    async def _spawn(self, control: int) -> asyncio.subprocess.Process:
        log = open_log(self._log_path)
        try:
            return await asyncio.create_subprocess_exec(
                *zygote_command(str(control), str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                pass_fds=(control,),
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _listen(self, control: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while packet := await loop.sock_recv(control, MAX_MESSAGE_BYTES):
                self._hear(msgspec.json.decode(packet, type=_Message), control)

    def _hear(self, message: _Message, control: socket.socket) -> None:
        if message.modules is not None:
            self._modules = message.modules
        elif message.ready is not None:
            self._control = control
            self._enter(READY)
            self._usable.set()
        elif message.unsafe is not None:
            self._unsafe = message.unsafe
        elif message.forked is not None:
            self._born(message.forked, message.pid)
        elif message.failed is not None:
            self._refused(message.failed, message.why)
        elif message.exited is not None:
            self._ended(message.exited, ExitReason.from_code(message.code, oom=message.oom))

    def _born(self, ticket: int, pid: int) -> None:
        """Known at once, so that an end that is told next is not missed."""
        cell = self._cells[pid] = CellProcess(pid, asyncio.get_running_loop().create_future())
        answer = self._tickets.get(ticket)
        if answer is not None and not answer.done():
            answer.set_result(cell)
        else:  # whoever asked has given up
            self._kill(pid, signal.SIGKILL)

    def _kill(self, pid: int, number: signal.Signals) -> None:
        if self._control is not None:
            with contextlib.suppress(ConnectionError):  # it is gone, and its cells with it
                self._control.send(json.dumps({"kill": pid, "signal": number}).encode())

    def _refused(self, ticket: int, why: str) -> None:
        if (answer := self._tickets.get(ticket)) is not None and not answer.done():
            answer.set_exception(Unavailable(_FAILED, reason=why))

    def _ended(self, pid: int, reason: ExitReason) -> None:
        cell = self._cells.pop(pid, None)
        if cell is not None and not cell.exited.done():
            cell.exited.set_result(reason)

    def _mourn(self) -> None:
        """The zygote is gone, and all that it had forked."""
        for pid in list(self._cells):
            self._ended(pid, ExitReason())
        for ticket in self._tickets:
            self._refused(ticket, "the zygote died")

    def _enter(self, phase: str) -> None:
        self._phase, self._since, self._modules = phase, self._clock(), 0
