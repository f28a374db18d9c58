"""The keeper as a child of this process: started, started again when it dies, stopped."""

import asyncio
import random
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from roost.cells.backoff import Backoff
from roost.cli.connection import until_it_answers
from roost.cli.console import err
from roost.http import messages as m
from roost.http.keeper_client import KeeperClient, answers
from roost.http.keeper_start import KeeperLog, keeper_command, keeper_environment
from roost.http.messages import socket_path
from roost.settings import Settings, settings_as_json
from roost.storage.lock import Held, make_data_dir, refuse_held

STOP_S = 40.0
"""More than a cell's own grace."""
POLL_S = 0.5


@asynccontextmanager
async def keeper_child(settings: Settings, stopping: asyncio.Event) -> AsyncIterator[None]:
    """A keeper of that data directory for as long as the block runs. Where it is told to stop
    before the keeper answers, the block is entered all the same.

    ConfigError where one runs already, or where it ends before it answers.
    """
    make_data_dir(settings.data_dir)
    await _make_way(settings)
    child = _Child(settings)
    try:
        await child.start(stopping)
        supervisor = asyncio.create_task(child.keep_alive())
        try:
            yield
        finally:
            supervisor.cancel()
            await asyncio.gather(supervisor, return_exceptions=True)
    finally:
        await child.stop()


async def _make_way(settings: Settings) -> None:
    """A keeper that was started for a command ends for us; Held where it is another."""
    socket = socket_path(settings.data_dir)
    retires = False
    if await answers(socket):
        async with KeeperClient(socket) as keeper:
            retires = (await keeper.ask("retire", m.Retired)).ends
    deadline = time.monotonic() + STOP_S
    while True:
        try:
            # It holds the lock for longer than its socket: until its cells have ended.
            refuse_held(settings.data_dir)
        except Held:
            if not retires or time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLL_S)
        else:
            return


class _Child:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: Process | None = None
        self._log = KeeperLog(settings.data_dir)

    async def start(self, stopping: asyncio.Event) -> None:
        """Returns once it answers, or once `stopping` is set."""
        self._process = await self._spawn()
        told = asyncio.create_task(stopping.wait())
        answering = asyncio.create_task(until_it_answers(self._settings, self._failure))
        await asyncio.wait({told, answering}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not stopping.is_set():
            await answering
        answering.cancel()

    async def keep_alive(self) -> None:
        backoff = Backoff(random.random)
        while self._process is not None:
            began = time.monotonic()
            code = await self._process.wait()
            pause_s = backoff.failed(after_s=time.monotonic() - began)
            err.print(f"The keeper ended ({code}); starting it again.", style="yellow")
            await asyncio.sleep(pause_s)
            self._process = await self._spawn()

    async def stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _spawn(self) -> Process:
        with self._log.path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *keeper_command(auto=False),
                env=keeper_environment(),
                stdin=PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; the keeper is told by SIGTERM
            )
        if process.stdin is not None:
            # It stays open: its end tells the keeper that we are gone, however we went.
            process.stdin.write(settings_as_json(self._settings).encode() + b"\n")
        return process

    def _failure(self) -> list[str]:
        is_over = self._process is not None and self._process.returncode is not None
        return self._log.findings() if is_over else []
