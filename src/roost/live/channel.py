"""One topic in this process, and those who watch it.

Rule 1: nobody who publishes waits for anybody who watches. Rule 2: the id of a frame promises that
all below its position was told, never more: changes of one position may be cut apart by a lost
connection, and others may come to stand there later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from roost.errors import RoostError
from roost.live import frames
from roost.live.backlog import Backlog, Told
from roost.live.changes import Delta, Missed, Place, Remove, Topic, Upsert, is_there, seen
from roost.live.frames import Frame
from roost.live.tokens import Seal

CATCH_UP_MAX = 500
"""A watcher that missed changes of more traces loads its list again: that is less work."""

Since = Callable[[Topic, Place, int], Awaitable[Missed | None]]
"""What changed for the topic since that place (with all that stands there), at most so many traces;
None where it is too much, too long ago, or of another epoch."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """A heartbeat comes every `heartbeat_s` whatever else does; `pace_s` is the rest between two
    deliveries, in which changes of one trace become one."""

    heartbeat_s: float = 10.0
    pace_s: float = 0.1


class Channel:
    """`place` tells how far this process has followed the tenant's home."""

    def __init__(
        self, topic: Topic, seal: Seal, place: Callable[[], Place], backlog_max: int
    ) -> None:
        self.topic = topic
        self.watchers: set[Watcher] = set()
        self.generation = 0
        self._seal = seal
        self._place = place
        self._backlog = Backlog(backlog_max)
        self._caught_up = 0

    @property
    def last(self) -> int:
        return self._backlog.last

    @property
    def kept(self) -> int:
        """Changes that somebody has still to read."""
        return len(self._backlog)

    def offer(self, delta: Delta) -> None:
        self._put(Told(delta.trace_id, delta.position, self._frame_of(delta)))

    def catch_up(self, missed: Missed) -> None:
        """This process itself was away."""
        for trace_id, frame in told_of(missed, self.topic):
            self._put(Told(trace_id, missed.position, frame))
        self.wake()

    def wake(self) -> None:
        for watcher in self.watchers:
            watcher.wake()

    def reset(self) -> None:
        """What was told is no longer so."""
        self.generation += 1
        self._backlog.forget()
        self.wake()

    def end(self, error: RoostError) -> None:
        for watcher in self.watchers:
            watcher.end(error)

    def join(self, watcher: "Watcher") -> None:
        self.watchers.add(watcher)
        self._caught_up += 1

    def leave(self, watcher: "Watcher") -> None:
        self.watchers.discard(watcher)
        if watcher.mark == self._backlog.last:
            self._caught_up -= 1
        self._forget_what_all_have_read()

    def read(self, watcher: "Watcher") -> tuple[int, list[Told]]:
        """What that watcher has not read yet, and how much of it was dropped."""
        if watcher.mark == self._backlog.last:
            return 0, []
        lost, fresh = self._backlog.after(watcher.mark, watcher.floor)
        watcher.mark = self._backlog.last
        self._caught_up += 1
        self._forget_what_all_have_read()
        return lost, fresh

    def now(self) -> str:
        return self._seal.seal(self._place())

    def token(self, position: int) -> str:
        return self._seal.seal(Place(self._place().epoch, position))

    def opened(self, token: str) -> Place | None:
        """The place in a token of this topic and epoch."""
        place = self._seal.open(token)
        return place if place is not None and place.epoch == self._place().epoch else None

    def _put(self, told: Told) -> None:
        self._backlog.put(told)
        self._caught_up = 0

    def _frame_of(self, delta: Delta) -> Frame:
        token = self.token(delta.position)
        match delta:
            case Upsert():
                return frames.upsert(token, delta.row)
            case Remove():
                return frames.remove(token, delta.trace_id)

    def _forget_what_all_have_read(self) -> None:
        if self._caught_up >= len(self.watchers):
            self._backlog.forget()


class Watcher:
    """Somebody who watches a topic: `next` again and again, until it raises or `left` is set."""

    def __init__(self, channel: Channel, since: Since, pulse: Pulse) -> None:
        self.mark = channel.last
        self.floor = 0
        """Changes below that position were told by catching up."""
        self.left = False
        self._channel = channel
        self._since = since
        self._pulse = pulse
        self._generation = channel.generation
        self._woken = asyncio.Event()
        self._ended: RoostError | None = None
        self._resume: str | None = None
        self._rest_until = 0.0
        self._beat_at = _now() + pulse.heartbeat_s

    def hello(self, *, resuming: bool) -> Frame:
        """The first frame; who resumes gets a new id only with what they have missed."""
        return frames.hello("" if resuming else self._channel.now(), self._pulse.heartbeat_s)

    def resume(self, token: str) -> None:
        """Catch up from there, before anything else is sent."""
        self._resume = token
        self.wake()

    def wake(self) -> None:
        self._woken.set()

    def leave(self) -> None:
        self.left = True
        self.wake()

    def end(self, error: RoostError) -> None:
        self._ended = error
        self.wake()

    async def next(self) -> list[Frame]:
        """What there is to send, at least a heartbeat; nothing where `left` is set.

        Raises what the topic has ended with, or Unavailable where missed changes cannot be asked
        for now.
        """
        await asyncio.sleep(max(0.0, self._rest_until - _now()))
        while not self.left:
            self._woken.clear()
            if self._ended is not None:
                raise self._ended
            if news := await self._news():
                self._rest_until = _now() + self._pulse.pace_s
                return news
            await self._woken_or_due()
        return []

    async def _woken_or_due(self) -> None:
        try:
            async with asyncio.timeout_at(self._beat_at):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _news(self) -> list[Frame]:
        news = await self._caught_up() + self._fresh()
        if _now() >= self._beat_at:
            self._beat_at += self._pulse.heartbeat_s
            news.append(frames.heartbeat(self._channel.now()))
        return news

    async def _caught_up(self) -> list[Frame]:
        if self._resume is None:
            return []
        token, self._resume = self._resume, None
        channel, generation = self._channel, self._channel.generation
        place = channel.opened(token)
        missed = None
        if place is not None:
            missed = await self._since(channel.topic, place, CATCH_UP_MAX)
        if missed is None or generation != channel.generation:
            self._generation = channel.generation
            return [frames.reset(channel.now())]
        self.floor = missed.position
        told = [frame for _, frame in told_of(missed, channel.topic)]
        return [*told, frames.resumed(channel.token(missed.position))]

    def _fresh(self) -> list[Frame]:
        """What stands in the backlog and was not told yet."""
        channel = self._channel
        news = []
        if self._generation != channel.generation:
            self._generation = channel.generation
            self.floor = 0
            news.append(frames.reset(channel.now()))
        lost, fresh = channel.read(self)
        if lost:
            news.append(frames.missed(lost))
        return news + [one.frame for one in fresh]


def told_of(missed: Missed, topic: Topic) -> Iterator[tuple[str, Frame]]:
    """By trace, what is gone first; without ids, since whoever is cut off in between has to hear
    all of it again."""
    for change in sorted(missed.changes, key=is_there):
        match seen(change, topic):
            case Upsert(trace_id, _, row):
                yield trace_id, frames.upsert("", row)
            case Remove(trace_id):
                yield trace_id, frames.remove("", trace_id)


def _now() -> float:
    return asyncio.get_running_loop().time()
