"""The keeper's side: what the index has applied, handed to every gateway that follows the tenant.

Rule 1: publishing never waits; a gateway that falls behind is cut, comes back and asks what it has
missed. Rule 2: whoever begins to follow joins first and is told the place then, so that nothing
falls between; what is told twice is the same.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from roost.errors import Unavailable
from roost.live.changes import Change, Missed, Place, Topic
from roost.live.messages import Batch, Beat, Line, Opened
from roost.model import TenantId

BATCHES_MAX = 1000
"""That a gateway may be behind."""

_Queue = asyncio.Queue[Batch | None]


class History(Protocol):
    """What a home's index knows of its past. NotFound where there is no such tenant."""

    async def place(self, tenant_id: TenantId) -> Place:
        """How far it is; all up to there is committed."""

    async def since(self, topic: Topic, position: int, limit: int) -> Missed | None:
        """What the topic's watchers missed behind that position, and the position that this answer
        stands for; None for more than `limit` traces, or where it is not known any more. With a
        `user`: their own traces, and (`hidden_from`) those that were theirs."""


class Outlet:
    """`key_of` makes the key of a tenant's tokens."""

    def __init__(
        self, history: History, key_of: Callable[[TenantId], bytes], heartbeat_s: float
    ) -> None:
        self._history = history
        self._key_of = key_of
        self._heartbeat_s = heartbeat_s
        self._queues: dict[TenantId, set[_Queue]] = defaultdict(set)
        self._is_closed = False

    def is_followed(self, tenant_id: TenantId) -> bool:
        """Whether anybody wants changes of it: without, no row need be made."""
        return tenant_id in self._queues

    def publish(self, tenant_id: TenantId, position: int, changes: Sequence[Change]) -> None:
        """What the index has committed, up to that position."""
        batch = Batch(position, tuple(changes))
        for queue in list(self._queues.get(tenant_id, ())):
            try:
                queue.put_nowait(batch)
            except asyncio.QueueFull:
                self._cut(tenant_id, queue)

    def end(self, tenant_id: TenantId) -> None:
        """The tenant is gone, or its home is about to be replaced: all of its feeds end."""
        for queue in list(self._queues.get(tenant_id, ())):
            self._cut(tenant_id, queue)

    def close(self) -> None:
        """The keeper ends: who comes now finds none."""
        self._is_closed = True
        for tenant_id in list(self._queues):
            self.end(tenant_id)

    async def feed(self, tenant_id: TenantId) -> AsyncGenerator[Line, None]:
        """An `Opened`, then what is published, with heartbeats. Unavailable at the keeper's end."""
        if self._is_closed:
            raise Unavailable(reason="the keeper ends")
        with self._joined(tenant_id) as queue:
            place = await self._history.place(tenant_id)
            yield Opened(place, self._key_of(tenant_id))
            position = place.position
            while (line := await self._next(queue, position)) is not None:
                position = max(position, line.position)
                yield line

    async def since(self, topic: Topic, after: Place, limit: int) -> Missed | None:
        """What a watcher missed; None where it has to load anew. Its own position is asked for
        once more: more may have come to stand there since, or it had not been told whole."""
        place = await self._history.place(topic.tenant_id)
        if place.epoch != after.epoch or after.position > place.position:
            return None
        return await self._history.since(topic, after.position - 1, limit)

    async def _next(self, queue: _Queue, position: int) -> Batch | Beat | None:
        try:
            async with asyncio.timeout(self._heartbeat_s):
                return await queue.get()
        except TimeoutError:
            return Beat(position)

    @contextmanager
    def _joined(self, tenant_id: TenantId) -> Iterator[_Queue]:
        queue = _Queue(BATCHES_MAX)
        self._queues[tenant_id].add(queue)
        try:
            yield queue
        finally:
            self._leave(tenant_id, queue)

    def _leave(self, tenant_id: TenantId, queue: _Queue) -> None:
        queues = self._queues.get(tenant_id, set())
        queues.discard(queue)
        if not queues:
            self._queues.pop(tenant_id, None)

    def _cut(self, tenant_id: TenantId, queue: _Queue) -> None:
        self._leave(tenant_id, queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)
