"""Events that wait in memory to be sent.

Rule: `put` takes a few microseconds and never waits; where there is no room the oldest goes, and is
counted. It knows no network and nothing of Roost.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

BATCH_BYTES_MAX = 512 * 1024


class Waiting(NamedTuple):
    """One event, or one word on consent (`properties` None). `fields` are what is sent beside them
    and the id; `properties` are values that cannot change any more, or JSON already. `size` is
    about how many bytes it takes."""

    fields: Mapping[str, object]
    properties: Mapping[str, object] | str | None
    size: int


@dataclass(frozen=True, slots=True)
class Room:
    """`count` and `bytes_max` are what may wait at most; a batch goes once `batch` wait, or
    `every_s` after the first came."""

    count: int = 10_000
    bytes_max: int = 16 * 1024 * 1024
    batch: int = 200
    every_s: float = 2.0


class Outbox:
    """Many put, one takes. A batch that was taken counts as waiting until it is `done`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0
        self._taken = 0
        self._hurry = 0
        self._closing = False
        self._changed = threading.Condition(threading.Lock())
        self.dropped = 0

    def put(self, one: Waiting) -> None:
        with self._changed:
            self._waiting.append(one)
            self._bytes += one.size
            count = len(self._waiting)
            if count > self._room.count or self._bytes > self._room.bytes_max:
                self._drop_oldest()
            # The first one wakes the taker, a full batch ends its wait; it sleeps in between.
            if count in (1, self._room.batch):
                self._changed.notify_all()

    def _drop_oldest(self) -> None:
        while self._waiting and (
            len(self._waiting) > self._room.count or self._bytes > self._room.bytes_max
        ):
            self._bytes -= self._waiting.popleft().size
            self.dropped += 1

    def take(self) -> Sequence[Waiting]:
        """The next batch, in order; waits for it. Empty once the box is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._changed.wait_for(self._is_due, self._room.every_s)
            batch = self._next()
            self._taken = len(batch)
            return batch

    def _is_due(self) -> bool:
        return bool(self._hurry or self._closing or len(self._waiting) >= self._room.batch)

    def _next(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while self._waiting and len(batch) < self._room.batch:
            length = self._waiting[0].size
            if batch and size + length > BATCH_BYTES_MAX:
                break
            batch.append(self._waiting.popleft())
            size += length
        self._bytes -= size
        return batch

    def done(self) -> None:
        """The batch that was taken is settled, sent or not."""
        with self._changed:
            self._taken = 0
            self._changed.notify_all()

    def empty(self, timeout_s: float) -> bool:
        """Waits until all that was put is settled, without waiting for batches to fill; whether
        it was in time."""
        with self._changed:
            self._hurry += 1
            self._changed.notify_all()
            is_empty = self._changed.wait_for(lambda: not self._count(), timeout_s)
            self._hurry -= 1
            return is_empty

    def close(self) -> None:
        """`take` gives what is left, then nothing."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    @property
    def is_closing(self) -> bool:
        return self._closing

    def wait_for_close(self, timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing, timeout_s)

    def __len__(self) -> int:
        with self._changed:
            return self._count()

    def _count(self) -> int:
        return len(self._waiting) + self._taken
