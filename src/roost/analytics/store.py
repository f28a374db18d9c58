"""The events of one home: taken in, forgotten, trimmed, asked about.

Rule 1: `add` returns once its events survive the loss of power; whoever waits meanwhile shares the
next commit. Rule 2: one writer at a time, so that what is looked up before a change still holds
when it is made.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from msgspec import Struct
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from roost.analytics import erasing, taking
from roost.analytics.events import Batch, Rejected
from roost.analytics.taking import Asked, Terms, Verdict
from roost.errors import Unavailable

WAITING_EVENTS_MAX = 20_000
COMMIT_EVENTS_MAX = 5_000
"""Some 100 ms of work: nobody waits longer for a commit that somebody else began."""
_FULL = "Too many events are waiting to be stored; send them again in a moment."
_NO_ROOM = "The events could not be stored; send them again in a moment."
_CLOSED = "This tenant's home is being closed; send the events again."


class Taken(Struct, frozen=True):
    """What became of a batch, by the events' ids."""

    accepted: list[str]
    duplicate: list[str]
    withheld: list[str]
    rejected: list[Rejected]


class Forgotten(Struct, frozen=True):
    events: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    batch: Batch
    verdicts: "asyncio.Future[list[Verdict]]"


class EventStore:
    """On an engine whose tables are there and which commits durably. `open` runs its writer."""

    def __init__(
        self, engine: AsyncEngine, terms: Terms, clock: Callable[[], float] = time.time
    ) -> None:
        self.engine = engine
        self._terms = terms
        self._clock = clock
        self._writing = asyncio.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_events = 0
        self._arrived = asyncio.Event()
        self._names: set[str] | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, engine: AsyncEngine, terms: Terms, clock: Callable[[], float] = time.time
    ) -> AsyncIterator["EventStore"]:
        """The store while the block runs; whoever still waits at its end hears Unavailable."""
        store = cls(engine, terms, clock)
        writer = asyncio.create_task(store._write())
        try:
            yield store
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
            store._refuse(store._take_waiting(), Unavailable(_CLOSED))

    async def add(self, batch: Batch) -> Taken:
        """What became of each event, once what was accepted is durable.

        Unavailable where too many wait (429) or the disk does not take them (503)."""
        count = len(batch.events) + len(batch.consents)
        if self._waiting and self._waiting_events + count > WAITING_EVENTS_MAX:
            raise Unavailable(_FULL, reason="events queue is full", status=429)
        one = _Waiting(batch, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._waiting_events += count
        self._arrived.set()
        return _taken(batch, await one.verdicts)

    async def forget(self, person: str) -> Forgotten:
        """Delete a person (`erasing.person_named`) with all that they did, and count anew."""
        async with self._writer() as connection:
            persons = await erasing.bar(connection, person, self._now_ms())
        total = 0
        while count := await self._slice(partial(erasing.forget_slice, persons)):
            total += count
        async with self._writer() as connection:
            await erasing.forget_rest(connection, persons)
        return Forgotten(total)

    async def trim(self) -> int:
        """Delete what is older than is kept; how many rows it were."""
        earliest_ms = self._terms.earliest_ms(self._now_ms())
        total = 0
        while count := await self._slice(partial(erasing.trim_slice, earliest_ms)):
            total += count
        return total

    async def _slice(self, work: Callable[[AsyncConnection], Awaitable[int]]) -> int:
        async with self._writer() as connection:
            return await work(connection)

    @asynccontextmanager
    async def _writer(self) -> AsyncIterator[AsyncConnection]:
        async with self._writing:
            try:
                async with self.engine.begin() as connection:
                    yield connection
            except DBAPIError as error:
                raise Unavailable(_NO_ROOM, reason=f"events: {error.orig}") from error

    async def _write(self) -> None:
        """The writer: one commit for all who came while the last one ran."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while group := self._take_waiting(COMMIT_EVENTS_MAX):
                await self._commit(group)

    def _take_waiting(self, limit: int | None = None) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._waiting and (limit is None or not group or size < limit):
            one = self._waiting.popleft()
            group.append(one)
            size += len(one.batch.events) + len(one.batch.consents)
        self._waiting_events -= size
        return group

    async def _commit(self, group: Sequence[_Waiting]) -> None:
        """Whoever has given up waiting is stored all the same: its events come again."""
        events = [event for one in group for event in one.batch.events]
        consents = [said for one in group for said in one.batch.consents]
        try:
            async with self._writer() as connection:
                asked = Asked(self._terms, self._now_ms(), await self._known_names(connection))
                verdicts = await taking.take(connection, events, consents, asked)
        except Unavailable as error:
            self._refuse(group, error)
            return
        except BaseException:
            self._refuse(group, Unavailable(_CLOSED))
            raise
        start = 0
        for one in group:
            end = start + len(one.batch.events)
            if not one.verdicts.done():
                one.verdicts.set_result(verdicts[start:end])
            start = end

    async def _known_names(self, connection: AsyncConnection) -> set[str]:
        if self._names is None:
            self._names = await taking.names_of(connection)
        return self._names

    def _refuse(self, group: Sequence[_Waiting], error: Unavailable) -> None:
        for one in group:
            if not one.verdicts.done():
                one.verdicts.set_exception(error)

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)


def _taken(batch: Batch, verdicts: Sequence[Verdict]) -> Taken:
    taken = Taken([], [], [], list(batch.rejected))
    lists = {
        Verdict.ACCEPTED: taken.accepted,
        Verdict.DUPLICATE: taken.duplicate,
        Verdict.WITHHELD: taken.withheld,
    }
    for event, index, verdict in zip(batch.events, batch.indices, verdicts, strict=True):
        if verdict in lists:
            lists[verdict].append(event.id)
        else:
            taken.rejected.append(Rejected(index, event.id, verdict.value))
    return taken
