"""What a gateway asks of a tenant's index and log for Roost's own API, over the keeper's socket.

Rule: whose eyes a question is answered for, and what those may see of a span, stands in each
question; neither has a default.
"""

from enum import StrEnum

import msgspec
from msgspec import Struct

from roost.index.filters import Dimension, Measure, Sort, TraceFilter, UsageQuery
from roost.index.sessions import SessionFilter
from roost.index.viewer import EVERYTHING, OwnTraces, Viewer

PATH = "/api"


class Field(StrEnum):
    """What a tenant may open to its end users, who see none of it otherwise."""

    SYSTEM_PROMPTS = "system_prompts"
    """Messages of the system, prompt templates, tools on offer, parameters of calls."""
    TOOLS = "tools"
    """What goes into tools, retrievers and the like, and what comes out."""
    METADATA = "metadata"
    """Metadata, tags, resource, events, errors' texts, links."""
    ANNOTATIONS = "annotations"
    """What others have annotated; their own they see always."""


class Whole(Struct, frozen=True, tag="whole"):
    """Viewers and up: every trace, and all of it."""

    @property
    def viewer(self) -> Viewer:
        return EVERYTHING


class Own(Struct, frozen=True, tag="own"):
    """An end user: their own traces, and of these what `opened` does not withhold. `subject` is
    who they are as a writer of annotations."""

    user_id: str
    subject: str
    opened: frozenset[Field]

    @property
    def viewer(self) -> Viewer:
        return OwnTraces(self.user_id)


Sight = Whole | Own


class Projects(Struct, frozen=True, tag=True):
    pass


class Traces(Struct, frozen=True, tag=True):
    wanted: TraceFilter
    sort: Sort
    limit: int
    cursor: str | None


class TraceCount(Struct, frozen=True, tag=True):
    wanted: TraceFilter


class TraceFacets(Struct, frozen=True, tag=True):
    wanted: TraceFilter
    dimensions: tuple[Dimension, ...]
    limit: int


class Histogram(Struct, frozen=True, tag=True):
    wanted: TraceFilter
    width_us: int


class OneTrace(Struct, frozen=True, tag=True):
    trace_id: str


class Tree(Struct, frozen=True, tag=True):
    trace_id: str
    limit: int


class SpanBody(Struct, frozen=True, tag=True):
    trace_id: str
    span_id: str


class SpanValue(Struct, frozen=True, tag=True):
    """`limit` characters of one value from `offset` on."""

    trace_id: str
    span_id: str
    path: str
    offset: int
    limit: int


class TraceAnnotations(Struct, frozen=True, tag=True):
    trace_id: str


class Sessions(Struct, frozen=True, tag=True):
    wanted: SessionFilter
    limit: int
    cursor: str | None


class OneSession(Struct, frozen=True, tag=True):
    session: str


class SessionTraces(Struct, frozen=True, tag=True):
    session: str
    limit: int
    cursor: str | None


class SessionAnnotations(Struct, frozen=True, tag=True):
    session: str


class UsageSeries(Struct, frozen=True, tag=True):
    query: UsageQuery


class UsageTops(Struct, frozen=True, tag=True):
    query: UsageQuery
    measure: Measure
    limit: int


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"


class Export(Struct, frozen=True, tag=True):
    """A line a trace; with `bodies` a line a span."""

    wanted: TraceFilter
    format: Format
    bodies: bool


class IngestState(Struct, frozen=True, tag=True):
    pass


class ParkedSpans(Struct, frozen=True, tag=True):
    after: int
    limit: int


class RetryParked(Struct, frozen=True, tag=True):
    """No ids means all of them."""

    ids: list[int]


Indexed = (
    Projects
    | Traces
    | TraceCount
    | TraceFacets
    | Histogram
    | OneTrace
    | Tree
    | TraceAnnotations
    | Sessions
    | OneSession
    | SessionTraces
    | SessionAnnotations
    | UsageSeries
    | UsageTops
)
"""What the index alone answers."""
Bodies = SpanBody | SpanValue
Ingested = IngestState | ParkedSpans | RetryParked
Question = Indexed | Bodies | Export | Ingested


class Ask(Struct, frozen=True):
    """`known` are the ETags that the caller holds, `gzip` whether they take it packed."""

    tenant_id: str
    sight: Sight
    question: Question
    known: list[str]
    gzip: bool


_asks = msgspec.msgpack.Decoder(Ask)


def encode(ask: Ask) -> bytes:
    return msgspec.msgpack.encode(ask)


def decode(body: bytes) -> Ask:
    """msgspec.DecodeError where it is none."""
    return _asks.decode(body)
