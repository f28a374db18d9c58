"""Where the log ends just now, and who waits for more.

Rule: waiting is an event, never a poll; whoever waits is woken by the commit itself.
"""

import asyncio

from roost.errors import Unavailable
from roost.log.base import Position

CLOSED = "The log of this tenant is closed."


class Tail:
    def __init__(self) -> None:
        self._grown = asyncio.Event()
        self._last = Position(0)
        self.is_closed = False

    def advance(self, last: Position) -> None:
        self._last = last
        self._wake()

    async def wait(self, after: Position) -> None:
        """Returns once there is a record behind `after`; Unavailable once it is closed."""
        while self._last <= after:
            self.refuse_closed()
            await self._grown.wait()

    def refuse_closed(self) -> None:
        if self.is_closed:
            raise Unavailable(CLOSED)

    def close(self) -> None:
        self.is_closed = True
        self._wake()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()
