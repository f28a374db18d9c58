"""One tenant's changes in a gateway: followed while somebody watches, fanned out by topic.

Rule: a feed that breaks begins again where it was, or everybody is told to load anew. Nobody is
told that nothing happened.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import assert_never

from roost.errors import NotFound, NotSignedIn, RoostError, Unavailable
from roost.live.changes import Change, Place, Topic, is_there, seen, topics_of
from roost.live.channel import CATCH_UP_MAX, Channel, Since
from roost.live.messages import Batch, Beat, Line, Opened
from roost.live.tokens import Seal, topic_key
from roost.model import TenantId

OPEN_TIMEOUT_S = 10.0
PAUSE_FIRST_S, PAUSE_MAX_S = 0.1, 5.0

log = logging.getLogger("roost.live")

OpenFeed = Callable[[TenantId], AsyncGenerator[Line, None]]
"""A tenant's changes from now on. NotFound where there is no such tenant,
Unavailable where the keeper does not answer (any more)."""


class Feed:
    """`chance` gives a number from 0 to 1: gateways come back one after the other."""

    def __init__(
        self,
        tenant_id: TenantId,
        open_feed: OpenFeed,
        since: Since,
        backlog_max: int,
        chance: Callable[[], float],
    ) -> None:
        self._tenant_id = tenant_id
        self._open = open_feed
        self._since = since
        self._backlog_max = backlog_max
        self._chance = chance
        self._key = b""
        self._place = Place("", 0)
        self._opened = asyncio.Event()
        self._ended: RoostError | None = None
        self._channels: dict[Topic, Channel] = {}

    @property
    def is_watched(self) -> bool:
        return bool(self._channels)

    @property
    def is_over(self) -> bool:
        return self._ended is not None

    async def opened(self) -> None:
        """Returns once topics can be watched; NotFound, or Unavailable where that takes long."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._opened.wait()
        except TimeoutError:
            raise Unavailable(
                "The live view is not ready yet; try again.", reason="no feed from the keeper"
            ) from None
        if self._ended is not None:
            raise self._ended

    def channel(self, topic: Topic) -> Channel:
        """That topic's; only once the feed is open."""
        channel = self._channels.get(topic)
        if channel is None:
            seal = Seal(topic_key(self._key, topic))
            channel = Channel(topic, seal, lambda: self._place, self._backlog_max)
            self._channels[topic] = channel
        return channel

    def release(self, channel: Channel) -> None:
        """Forget it where nobody watches it any more."""
        if not channel.watchers and self._channels.get(channel.topic) is channel:
            del self._channels[channel.topic]

    async def follow(self) -> None:
        """Until it is cancelled, or the tenant is gone."""
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                async with aclosing(self._open(self._tenant_id)) as lines:
                    async for line in lines:
                        await self._take(line)
                        pause_s = PAUSE_FIRST_S
            except NotFound as gone:
                self._end(gone)
                return
            except Unavailable as error:
                log.info("a tenant's feed broke: %s", error.reason)
            except Exception:  # the supervisor: watchers must not wait for ever
                log.exception("a tenant's feed failed")
            await asyncio.sleep(pause_s * (0.5 + self._chance() / 2))
            pause_s = min(PAUSE_MAX_S, pause_s * 2)

    async def _take(self, line: Line) -> None:
        match line:
            case Opened():
                await self._begin(line)
            case Batch():
                self._publish(line.changes)
                self._place = Place(self._place.epoch, line.position)
            case Beat():
                self._place = Place(self._place.epoch, line.position)
            case _:
                assert_never(line)

    async def _begin(self, opened: Opened) -> None:
        """What follows waits until each topic knows what it has missed."""
        was, is_first = self._place, not self._opened.is_set()
        if not is_first and opened.place.epoch == was.epoch:
            channels = list(self._channels.values())
            await asyncio.gather(*(self._catch_up(channel, was) for channel in channels))
        self._place = opened.place
        self._key = opened.key
        self._opened.set()
        if opened.place.epoch != was.epoch:
            for channel in self._channels.values():
                channel.reset()

    async def _catch_up(self, channel: Channel, was: Place) -> None:
        missed = await self._since(channel.topic, was, CATCH_UP_MAX)
        if missed is None:
            channel.reset()
        else:
            channel.catch_up(missed)

    def _publish(self, changes: tuple[Change, ...]) -> None:
        """What is gone first: a trace that has moved is gone and new in one batch."""
        touched: dict[Topic, Channel] = {}
        for change in sorted(changes, key=is_there):
            for topic in topics_of(change, self._tenant_id):
                channel = self._channels.get(topic)
                if channel is not None and (delta := seen(change, topic)) is not None:
                    channel.offer(delta)
                    touched[topic] = channel
        for channel in touched.values():
            channel.wake()

    def _end(self, gone: NotFound) -> None:
        self._ended = gone
        self._opened.set()
        for channel in self._channels.values():
            channel.end(NotSignedIn(reason="the tenant is gone"))
