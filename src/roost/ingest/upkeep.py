"""What a home does for itself, again and again: keep, erase, trim.

Rule: one that fails is told of and tried again at its next turn; it never stops the others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger("roost.upkeep")


@dataclass(frozen=True, slots=True)
class Chore:
    """Done every `every_s`, first after `first_s`: a home that was just opened has readers that
    catch up."""

    name: str
    act: Callable[[], Awaitable[object]]
    every_s: float
    first_s: float


async def keep_up(home: str, chores: Sequence[Chore]) -> None:
    """For ever."""
    async with asyncio.TaskGroup() as tasks:
        for chore in chores:
            tasks.create_task(_again_and_again(home, chore))


async def _again_and_again(home: str, chore: Chore) -> None:
    await asyncio.sleep(chore.first_s)
    while True:
        try:
            await chore.act()
        except Exception:  # the supervisor
            log.exception("%s in %s failed; it is tried again", chore.name, home)
        await asyncio.sleep(chore.every_s)
