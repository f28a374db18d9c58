"""A process that stores batches and says which it was told are stored; ended by SIGKILL."""

import asyncio
import sys
from pathlib import Path

from tests.analytics.homes import batch, home, sent

from roost.analytics.store import EventStore

SENDERS = 8


async def main(folder: Path) -> None:
    async with home(folder) as store:
        await asyncio.gather(*(_send(store, sender) for sender in range(SENDERS)))


async def _send(store: EventStore, sender: int) -> None:
    number = 0
    while True:
        events = [sent(user=f"user-{sender}", id=f"event-{sender}-{number:010d}")]
        taken = await store.add(batch(*events))
        print(*taken.accepted, flush=True)  # noqa: T201
        number += 1


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
