"""A home's index in memory, for tests of the live view: it applies spans, publishes what changed,
and answers for the past as an index does."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from roost.errors import NotFound
from roost.live.changes import Change, Missed, Place, Topic, seen
from roost.live.outlet import Outlet
from roost.model import TenantId

ACME, GLOBEX = TenantId("t-acme"), TenantId("t-globex")
KEY = bytes(range(32))


def key_of(tenant_id: TenantId) -> bytes:
    return KEY[: len(tenant_id)].ljust(32, b"!")


@dataclass
class Trace:
    project: str
    position: int = 0
    spans: int = 0
    users: set[str] = field(default_factory=set)
    gone: bool = False

    @property
    def user(self) -> str | None:
        """Whose own it is."""
        (only,) = self.users if len(self.users) == 1 else (None,)
        return None if self.gone else only


@dataclass
class Home:
    """`publish` hears of each change once it stands; `memory` is how many positions back it can
    still say what changed."""

    publish: Callable[[int, Sequence[Change]], None] = lambda position, changes: None
    epoch: str = "epoch-1"
    position: int = 0
    memory: int = 10**9
    traces: dict[str, Trace] = field(default_factory=dict)

    def span(self, trace_id: str, user: str | None = None, project: str = "default") -> None:
        """One more span of that trace; the first one says the project."""
        self.record((trace_id, user, project))

    def record(self, *spans: tuple[str, str | None, str]) -> None:
        """All of them at one position, as a record of the log has many."""
        before: dict[str, str | None] = {}
        for trace_id, user, project in spans:
            trace = self.traces.setdefault(trace_id, Trace(project))
            before.setdefault(trace_id, trace.user)
            trace.spans += 1
            if user is not None:
                trace.users.add(user)
        self._changed(before)

    def amend(self, trace_id: str) -> None:
        """What the cell changes behind the log stands at the position that was last."""
        self.traces[trace_id].spans += 1
        self.traces[trace_id].position = self.position
        self.publish(self.position, [self.change(trace_id, ())])

    def move(self, trace_id: str, project: str) -> None:
        """New there and gone from here, told in the order that is harder to take."""
        self.position += 1
        trace = self.traces[trace_id]
        trace.position = self.position
        here, trace.project = trace.project, project
        owner = () if trace.user is None else (trace.user,)
        gone = Change(trace_id, here, self.position, None, None, None, owner)
        self.publish(self.position, [self.change(trace_id, ()), gone])

    def delete(self, trace_id: str) -> None:
        trace = self.traces[trace_id]
        before, trace.gone = trace.user, True
        self._changed({trace_id: before})

    def change(self, trace_id: str, hidden_from: Sequence[str]) -> Change:
        trace = self.traces[trace_id]
        row = None if trace.gone else json.dumps({"id": trace_id, "spans": trace.spans}).encode()
        own = None if row is None or trace.user is None else row.replace(b'"id"', b'"own": 1, "id"')
        hidden = tuple(user for user in hidden_from if user != trace.user)
        return Change(trace_id, trace.project, trace.position, row, trace.user, own, hidden)

    async def since(self, topic: Topic, position: int, limit: int) -> Missed | None:
        if self.position - position > self.memory:
            return None
        late = sorted(
            (trace.position, trace_id)
            for trace_id, trace in self.traces.items()
            if trace.position > position
        )
        changes = [
            self.change(trace_id, sorted(self.traces[trace_id].users)) for _, trace_id in late
        ]
        mine = [change for change in changes if seen(change, topic) is not None]
        return None if len(mine) > limit else Missed(self.position, tuple(mine))

    def _changed(self, before: Mapping[str, str | None]) -> None:
        """`before` says whose each of the traces was."""
        self.position += 1
        for trace_id in before:
            self.traces[trace_id].position = self.position
        changes = [
            self.change(trace_id, () if user is None else (user,))
            for trace_id, user in before.items()
        ]
        self.publish(self.position, changes)


@dataclass
class Homes:
    """A `History` of acme and globex."""

    homes: dict[TenantId, Home] = field(default_factory=lambda: {ACME: Home(), GLOBEX: Home()})

    def outlet(self, heartbeat_s: float = 10.0) -> Outlet:
        """An outlet that all of them publish to from now on."""
        outlet = Outlet(self, key_of, heartbeat_s)
        for tenant_id, home in self.homes.items():

            def publish(
                position: int, changes: Sequence[Change], tenant_id: TenantId = tenant_id
            ) -> None:
                outlet.publish(tenant_id, position, changes)

            home.publish = publish
        return outlet

    async def place(self, tenant_id: TenantId) -> Place:
        home = self._home(tenant_id)
        return Place(home.epoch, home.position)

    async def since(self, topic: Topic, position: int, limit: int) -> Missed | None:
        return await self._home(topic.tenant_id).since(topic, position, limit)

    def _home(self, tenant_id: TenantId) -> Home:
        if tenant_id not in self.homes:
            raise NotFound
        return self.homes[tenant_id]
