"""A command's way to the keeper: the one that runs, or one started for this command."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from roost.errors import ConfigError, Unavailable
from roost.http.keeper_client import KeeperClient, answers
from roost.http.keeper_start import LOG_NAME, AutoKeeper
from roost.http.messages import socket_path
from roost.settings import Settings, load_settings, settings_as_json
from roost.storage.lock import make_data_dir

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
    make_data_dir(settings.data_dir)
    socket = socket_path(settings.data_dir)
    if not await answers(socket):
        keeper = AutoKeeper(settings.data_dir, settings_as_json(settings))
        keeper.start()
        await until_it_answers(settings, keeper.failure)
    async with KeeperClient(socket) as client:
        yield client


async def until_it_answers(settings: Settings, failure: Callable[[], Sequence[str]]) -> None:
    """ConfigError with why it cannot start, Unavailable when no keeper comes."""
    deadline = time.monotonic() + START_S
    while not await answers(socket_path(settings.data_dir)):
        if findings := failure():
            raise ConfigError(findings)
        if time.monotonic() > deadline:
            raise Unavailable(f"No keeper came up; {settings.data_dir / LOG_NAME} says why.")
        await asyncio.sleep(POLL_S)
