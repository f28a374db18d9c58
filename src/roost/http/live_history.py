"""From what a home's index has applied to what its watchers are told, and what they missed.

Rule: a row is made for whom it is shown to: the tenant's people, or the end user whose own it is.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from roost.errors import NotFound
from roost.http.api import rows
from roost.http.api.rows import Forwarding
from roost.http.api_messages import Field, Own, Sight, Whole
from roost.http.home import Home
from roost.index.queries import Queries
from roost.index.rows import Applied, TraceChange, TraceRow
from roost.index.viewer import EVERYTHING, OwnTraces
from roost.live.changes import Change, Missed, Place, Topic
from roost.live.outlet import Outlet
from roost.log.base import Position
from roost.model import Slug, TenantId
from roost.policy.forwarding import ForwardPolicy


@dataclass(frozen=True, slots=True)
class LiveHistory:
    """`opened` is what a tenant shows its end users beyond their questions and answers."""

    home_of: Callable[[TenantId], Awaitable[Home]]
    policies: Mapping[str, ForwardPolicy]
    opened: Callable[[Slug], frozenset[Field]]

    async def place(self, tenant_id: TenantId) -> Place:
        home = await self.home_of(tenant_id)
        return Place(await home.progress.epoch(), home.index.cursor)

    async def since(self, topic: Topic, position: int, limit: int) -> Missed | None:
        """None where it is more than `limit`, or too long ago."""
        home = await self.home_of(topic.tenant_id)
        viewer = EVERYTHING if topic.user is None else OwnTraces(topic.user)
        after = Position(position)
        found: list[Change] = []
        while True:
            page = await home.index.ask(
                partial(Queries.changed_since, viewer=viewer, after=after, limit=limit)
            )
            if page.gap or len(found) + len(page.rows) + len(page.removed) > limit:
                return None
            found += [self._change(home, row, topic.user) for row in page.rows]
            found += [_gone(one, page.upto, topic) for one in page.removed]
            after = page.upto
            if not page.more:
                wanted = [one for one in found if topic.project in (None, one.project)]
                return Missed(after, tuple(wanted))

    async def publish(self, outlet: Outlet, home: Home, applied: Applied) -> None:
        """Tell whoever follows the tenant."""
        if not outlet.is_followed(home.tenant.id):
            return
        changes = await home.index.ask(
            lambda queries: [(one, _row_of(queries, one.trace_id)) for one in applied.changes]
        )
        told = [self._told(home, one, row, applied.cursor) for one, row in changes]
        outlet.publish(home.tenant.id, applied.cursor, told)

    def _told(
        self, home: Home, change: TraceChange, row: TraceRow | None, position: Position
    ) -> Change:
        before = change.own_before
        hidden = (before,) if before is not None and before != change.own_now else ()
        if row is None:
            return Change(change.trace_id, change.project, position, None, hidden_from=hidden)
        told = self._change(home, row, change.own_now)
        return msgspec.structs.replace(told, position=position, hidden_from=hidden)

    def _change(self, home: Home, row: TraceRow, user: str | None) -> Change:
        """`user` is whose own it is."""
        own = None
        if user is not None:
            own = self._row(home, row, Own(user, "", self.opened(home.tenant.slug)))
        whole = self._row(home, row, Whole())
        return Change(row.trace_id, row.project, row.changed_at, whole, user, own)

    def _row(self, home: Home, row: TraceRow, sight: Sight) -> bytes:
        forwarding = Forwarding(home.forward.cursor, self.policies)
        return msgspec.json.encode(rows.trace(row, sight, forwarding))


def _gone(trace_id: str, position: Position, topic: Topic) -> Change:
    """Of which project it was is not known any more; whoever asks is told."""
    hidden = () if topic.user is None else (topic.user,)
    return Change(trace_id, topic.project or "", position, None, hidden_from=hidden)


def _row_of(queries: Queries, trace_id: str) -> TraceRow | None:
    try:
        return queries.trace(EVERYTHING, trace_id)
    except NotFound:
        return None
