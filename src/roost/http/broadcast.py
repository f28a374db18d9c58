"""What the keeper tells its watchers. A watcher that falls behind is cut and starts anew."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

from roost.http.messages import Event, Heartbeat

BACKLOG = 1000


class Broadcast:
    """`publish` never waits. `count` is how many gateways watch now."""

    def __init__(self, heartbeat_s: float) -> None:
        self._heartbeat_s = heartbeat_s
        self._queues: set[asyncio.Queue[Event | None]] = set()

    @property
    def count(self) -> int:
        return len(self._queues)

    def publish(self, event: Event) -> None:
        for queue in list(self._queues):
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                self._cut(queue)

    def close(self) -> None:
        for queue in list(self._queues):
            self._cut(queue)

    async def events(self, snapshot: Callable[[], Awaitable[Event]]) -> AsyncIterator[Event]:
        """A snapshot, then all that is published after the watch began, with heartbeats."""
        with self._joined() as queue:
            yield await snapshot()
            while (event := await self._next(queue)) is not None:
                yield event

    async def _next(self, queue: asyncio.Queue[Event | None]) -> Event | None:
        try:
            async with asyncio.timeout(self._heartbeat_s):
                return await queue.get()
        except TimeoutError:
            return Heartbeat()

    @contextmanager
    def _joined(self) -> Iterator[asyncio.Queue[Event | None]]:
        queue: asyncio.Queue[Event | None] = asyncio.Queue(BACKLOG)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def _cut(self, queue: asyncio.Queue[Event | None]) -> None:
        """Forget what it missed: the watcher gets a whole snapshot when it comes back."""
        self._queues.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)
