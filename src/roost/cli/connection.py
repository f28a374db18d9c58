"""A command's way to the keeper: the one that runs, or one started for this command."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from roost.errors import Unavailable
from roost.http.keeper_client import KeeperClient, answers
from roost.http.keeper_start import LOG_NAME, start_auto_keeper
from roost.http.messages import socket_path
from roost.settings import Settings, load_settings, settings_as_json

START_S = 30.0
POLL_S = 0.1

Result = TypeVar("Result")


def with_keeper(work: Callable[[KeeperClient], Awaitable[Result]]) -> Result:
    """Run `work` with a keeper of the data directory; one that is started ends by itself."""

    async def run() -> Result:
        async with keeper_of(load_settings()) as client:
            return await work(client)

    return asyncio.run(run())


@asynccontextmanager
async def keeper_of(settings: Settings) -> AsyncIterator[KeeperClient]:
    socket = socket_path(settings.data_dir)
    if not await answers(socket):
        start_auto_keeper(settings.data_dir, settings_as_json(settings))
        await until_it_answers(settings)
    async with KeeperClient(socket) as client:
        yield client


async def until_it_answers(settings: Settings) -> None:
    """Unavailable, with where to look, when no keeper comes."""
    deadline = time.monotonic() + START_S
    while not await answers(socket_path(settings.data_dir)):
        if time.monotonic() > deadline:
            raise Unavailable(f"No keeper came up; {settings.data_dir / LOG_NAME} says why.")
        await asyncio.sleep(POLL_S)
