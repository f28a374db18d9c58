"""A gateway's live view: who watches what, and one feed a tenant behind all of it.

Rule: a feed lives as long as somebody watches its tenant, and a moment longer, since a page that is
loaded again comes back at once. Only a whole tenant is followed, for a topic is often one person.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from roost.live.changes import Missed, Place, Topic
from roost.live.channel import Pulse, Since, Watcher
from roost.live.feed import Feed, OpenFeed
from roost.model import TenantId

LINGER_S = 5.0
QUESTIONS_MAX = 16
"""Watchers that catch up at a time: after a restart all of them do."""


@dataclass(slots=True)
class _Followed:
    feed: Feed
    task: "asyncio.Task[None]"
    users: int = 0


class Hub:
    """Use it as a context manager: its end is the end of every feed. `backlog_max` is how many
    changed traces a watcher may be behind before some are dropped."""

    def __init__(
        self,
        open_feed: OpenFeed,
        since: Since,
        *,
        backlog_max: int,
        chance: Callable[[], float],
        pulse: Pulse | None = None,
        linger_s: float = LINGER_S,
    ) -> None:
        self._open_feed = open_feed
        self._since = since
        self._backlog_max = backlog_max
        self._chance = chance
        self._pulse = pulse or Pulse()
        self._linger_s = linger_s
        self._questions = asyncio.Semaphore(QUESTIONS_MAX)
        self._followed: dict[TenantId, _Followed] = {}

    async def __aenter__(self) -> "Hub":
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [one.task for one in self._followed.values()]
        self._followed.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def feeds(self) -> int:
        """How many tenants are followed now."""
        return len(self._followed)

    @asynccontextmanager
    async def watching(self, topic: Topic) -> AsyncIterator[Watcher]:
        """A watcher of that topic, from now on. NotFound where the tenant is gone; Unavailable
        where the keeper does not answer."""
        followed = self._follow(topic.tenant_id)
        followed.users += 1
        try:
            await followed.feed.opened()
            channel = followed.feed.channel(topic)
            watcher = Watcher(channel, self._asked, self._pulse)
            channel.join(watcher)
            try:
                yield watcher
            finally:
                channel.leave(watcher)
                followed.feed.release(channel)
        finally:
            followed.users -= 1
            self._let_go_later(topic.tenant_id, followed)

    def _follow(self, tenant_id: TenantId) -> _Followed:
        known = self._followed.get(tenant_id)
        if known is None or known.task.done():
            feed = Feed(tenant_id, self._open_feed, self._asked, self._backlog_max, self._chance)
            known = _Followed(feed, asyncio.create_task(feed.follow()))
            self._followed[tenant_id] = known
        return known

    def _let_go_later(self, tenant_id: TenantId, followed: _Followed) -> None:
        if not followed.users:
            loop = asyncio.get_running_loop()
            loop.call_later(self._linger_s, self._let_go, tenant_id, followed)

    def _let_go(self, tenant_id: TenantId, followed: _Followed) -> None:
        if not followed.users:
            followed.task.cancel()
            if self._followed.get(tenant_id) is followed:
                del self._followed[tenant_id]

    async def _asked(self, topic: Topic, place: Place, limit: int) -> Missed | None:
        async with self._questions:
            return await self._since(topic, place, limit)
