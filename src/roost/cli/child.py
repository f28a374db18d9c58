"""The keeper as a child of this process: started, started again when it dies, stopped."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from roost.cli.connection import until_it_answers
from roost.cli.console import err
from roost.errors import ConfigError
from roost.http import messages as m
from roost.http.keeper_client import KeeperClient, answers
from roost.http.keeper_start import LOG_NAME, keeper_command, keeper_environment
from roost.http.messages import socket_path
from roost.settings import Settings, settings_as_json
from roost.storage.lock import Held, data_dir_lock

STOP_S = 40.0
"""More than a cell's own grace."""
RESTART_S = 0.5


@asynccontextmanager
async def keeper_child(settings: Settings) -> AsyncIterator[None]:
    """A keeper of that data directory for as long as the block runs.

    ConfigError where one runs already, or where it ends before it answers.
    """
    if not await _is_free(settings):
        raise ConfigError(
            [f"data_dir: a keeper runs on {settings.data_dir} already; stop it first."]
        )
    child = _Child(settings)
    await child.start()
    supervisor = asyncio.create_task(child.keep_alive())
    try:
        yield
    finally:
        supervisor.cancel()
        await asyncio.gather(supervisor, return_exceptions=True)
        await child.stop()


async def _is_free(settings: Settings) -> bool:
    """No keeper answers, or the one that does was started for a command, and has made way."""
    socket = socket_path(settings.data_dir)
    if not await answers(socket):
        return True
    async with KeeperClient(socket) as keeper:
        if not (await keeper.ask("retire", m.Retired)).ends:
            return False
    for _ in range(int(STOP_S / RESTART_S)):
        await asyncio.sleep(RESTART_S)
        if _lock_is_free(settings.data_dir):
            return True
    return False


def _lock_is_free(data_dir: Path) -> bool:
    """A keeper holds the lock for longer than its socket: until its cells have ended."""
    try:
        with data_dir_lock(data_dir):
            return True
    except Held:
        return False


class _Child:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: Process | None = None

    async def start(self) -> None:
        self._process = await self._spawn()
        ended = asyncio.create_task(self._process.wait())
        answering = asyncio.create_task(until_it_answers(self._settings))
        await asyncio.wait({ended, answering}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            answering.cancel()
            raise ConfigError([f"the keeper ended at once; {self._log_file()} says why"])
        ended.cancel()
        await answering

    async def keep_alive(self) -> None:
        while self._process is not None:
            code = await self._process.wait()
            err.print(f"The keeper ended ({code}); starting it again.", style="yellow")
            await asyncio.sleep(RESTART_S)
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
        data_dir = self._settings.data_dir
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (data_dir / LOG_NAME).open("ab") as log:
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

    def _log_file(self) -> str:
        return str(self._settings.data_dir / LOG_NAME)
