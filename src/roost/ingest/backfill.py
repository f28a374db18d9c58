"""What an existing Phoenix holds, slice by slice, into one tenant's log.

Rule 1: a slice's place is kept once the log has all of the slice, never before: however a run ends,
the next one sends at most one slice again, and the first copy of a span wins. Rule 2: never more
than `pending_spans_max` of ours wait for the tenant's Phoenix, so that live spans wait for those at
most. Rule 3: what was read is masked and stamped as what a client sends.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from roost.ingest.intake import judge
from roost.ingest.mask import NO_MASK, Mask
from roost.log.records import Annotation, encoded
from roost.model import IngestGrant
from roost.policy.decision import Refuse
from roost.policy.ingest import choose_project, matches

ANNOTATIONS_AT_ONCE = 200
APPEND_BYTES = 8 * 1024 * 1024
_REMEMBERED = 50_000
_SESSION = "session.id"


class Place(Struct, frozen=True, omit_defaults=True):
    """How far a project is read, in row ids of Phoenix: all up to `after`. A source that lists the
    newest first is on its way from `top` down to there, and goes on at `until`. `anchor` is the
    span id at `row`, by which the same Phoenix is known again."""

    after: int = 0
    until: int | None = None
    top: int = 0
    anchor: str = ""

    @property
    def row(self) -> int:
        return self.top or self.after


@dataclass(frozen=True, slots=True)
class Project:
    """`id` is how the source knows it; `spans` is how many it holds, None where nobody knows."""

    name: str
    id: str
    spans: int | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A span that cannot be taken, and why; its ids as Phoenix has them."""

    project: str
    trace_id: str
    span_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Slice:
    """`place` is where the next one begins; `over`: there is none at present."""

    place: Place
    over: bool
    spans: Sequence[Span]
    rejects: Sequence[Reject] = ()


class Source(Protocol):
    async def projects(self) -> Sequence[Project]: ...

    async def slice(self, project: Project, place: Place) -> Slice: ...

    async def holds(self, project: Project, place: Place) -> bool:
        """Whether `place.anchor` still stands at its row."""

    async def annotations(
        self, project: Project, of: str, targets: Sequence[str]
    ) -> Sequence[Annotation]:
        """Those on these spans, traces or sessions."""


class Sink(Protocol):
    """The tenant's log. Each returns once it is done, and raises Unavailable after long waiting."""

    async def spans(self, payloads: Sequence[bytes]) -> None: ...

    async def annotations(self, body: bytes) -> None: ...

    async def settled(self, span_id: str) -> None:
        """The span, and with it all that was appended before it, waits for Phoenix no longer."""


class Places(Protocol):
    """What outlives the run. `terms` is what was asked for; with others a project begins anew."""

    def of(self, project: str, terms: str) -> Place: ...

    def keep(self, project: str, terms: str, place: Place) -> None: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """Projects by pattern (none means all), where they go, and from which time on."""

    patterns: tuple[str, ...] = ()
    into: str = ""
    prefix: str = ""
    since: datetime | None = None

    def wants(self, project: str) -> bool:
        return not self.patterns or any(matches(one, project) for one in self.patterns)

    def target(self, project: str) -> str:
        """
        >>> Wish().target("chat"), Wish(prefix="old-").target("chat"), Wish(into="a").target("chat")
        ('chat', 'old-chat', 'a')
        """
        return self.into or self.prefix + project

    def terms(self, project: str) -> str:
        since = self.since.isoformat() if self.since else ""
        return f"{since} {self.target(project)}"


@dataclass(slots=True)
class Tally:
    """What became of a project in this run. `refused` is why nothing of it could be taken."""

    project: str
    into: str
    total: int | None = None
    spans: int = 0
    annotations: int = 0
    rejected: int = 0
    resumed: bool = False
    refused: str = ""


class Watcher(Protocol):
    """Who looks on."""

    def begins(self, tally: Tally) -> None: ...

    def moved(self, tally: Tally) -> None: ...

    def ended(self, tally: Tally) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    pending_spans_max: int = 2_000
    """10 to 15 seconds of what Phoenix inserts."""


@dataclass(slots=True)
class Backfill:
    """`rejects` keeps what cannot be taken."""

    source: Source
    sink: Sink
    places: Places
    wish: Wish
    watcher: Watcher
    rejects: Callable[[Reject], None]
    mask: Mask = NO_MASK
    pace: Pace = field(default_factory=Pace)
    _pending: deque[tuple[str, int]] = field(default_factory=deque)
    _seen: "OrderedDict[tuple[str, str], None]" = field(default_factory=OrderedDict)

    async def run(self) -> list[Tally]:
        """One after the other, each until the source has no more of it at present."""
        projects = [one for one in await self.source.projects() if self.wish.wants(one.name)]
        return [await self._project(one) for one in projects]

    async def _project(self, project: Project) -> Tally:
        tally = Tally(project.name, self.wish.target(project.name), project.spans)
        if isinstance(said := choose_project(tally.into, None, IngestGrant()), Refuse):
            tally.refused = said.pointer
            self.rejects(Reject(project.name, "", "", said.pointer))
        else:
            place = await self._begin(project)
            tally.resumed = place != Place()
            self.watcher.begins(tally)
            await self._slices(project, place, tally)
        self.watcher.ended(tally)
        return tally

    async def _begin(self, project: Project) -> Place:
        place = self.places.of(project.name, self.wish.terms(project.name))
        if place.anchor and not await self.source.holds(project, place):
            return Place()
        return place

    async def _slices(self, project: Project, place: Place, tally: Tally) -> None:
        over = False
        while not over:
            read = await self.source.slice(project, place)
            await self._send(read, tally)
            await self._annotate(project, read.spans, tally)
            place, over = read.place, read.over
            self.places.keep(project.name, self.wish.terms(project.name), place)
            self.watcher.moved(tally)

    async def _send(self, read: Slice, tally: Tally) -> None:
        for one in read.rejects:
            self.rejects(one)
        tally.rejected += len(read.rejects)
        if not read.spans:
            return
        last, count = read.spans[-1].span_id.hex(), len(read.spans)
        prepared = judge(_request(read.spans), tally.into, IngestGrant(), self.mask)
        for unfit in prepared.rejected:
            self.rejects(Reject(tally.project, "", "", f"{unfit.count} spans: {unfit.reason}"))
            tally.rejected += unfit.count
        await self._until_room(count)
        for payloads in _by_size(prepared.payloads):
            await self.sink.spans(payloads)
        self._pending.append((last, count))
        tally.spans += prepared.accepted

    async def _until_room(self, count: int) -> None:
        """The log is read in order: what was appended first is settled first."""
        while self._pending and self._waiting + count > self.pace.pending_spans_max:
            await self.sink.settled(self._pending[0][0])
            self._pending.popleft()

    @property
    def _waiting(self) -> int:
        return sum(count for _, count in self._pending)

    async def _annotate(self, project: Project, spans: Sequence[Span], tally: Tally) -> None:
        """After their spans. A trace or a session is asked for once, when it is first met."""
        for of, targets in (
            ("span", [one.span_id.hex() for one in spans]),
            ("trace", self._new(f"trace {project.id}", (one.trace_id.hex() for one in spans))),
            ("session", self._new(f"session {project.id}", filter(None, map(_session_of, spans)))),
        ):
            found = await self.source.annotations(project, of, targets) if targets else ()
            for at in range(0, len(found), ANNOTATIONS_AT_ONCE):
                await self.sink.annotations(encoded(found[at : at + ANNOTATIONS_AT_ONCE]))
            tally.annotations += len(found)

    def _new(self, what: str, targets: Iterable[str]) -> list[str]:
        """Those that were not met yet, as far as is remembered."""
        new = []
        for one in dict.fromkeys(targets):
            if (what, one) not in self._seen:
                new.append(one)
                self._seen[what, one] = None
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return new


def _request(spans: Sequence[Span]) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])]
    )


def _by_size(payloads: Sequence[bytes]) -> list[list[bytes]]:
    """In order, about APPEND_BYTES at a time."""
    groups: list[list[bytes]] = []
    size = APPEND_BYTES
    for one in payloads:
        if size + len(one) > APPEND_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(one)
        size += len(one)
    return groups


def _session_of(span: Span) -> str:
    return next((one.value.string_value for one in span.attributes if one.key == _SESSION), "")
