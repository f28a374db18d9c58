"""What Roost's own API answers, as its callers see it; `openapi.json` is made of these.

Rule: a field's name and meaning stay for ever; what Phoenix calls it, or the index, may change.
Times are in microseconds since the epoch, costs in US dollars, ids as OpenTelemetry writes them.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from roost.http.api_messages import Field

Next = Annotated[
    str | None,
    Meta(description="`cursor` of the next page; null where there is none."),
]
Cost = Annotated[float | None, Meta(description="US dollars; null where no price is known.")]
Shown = Annotated[str | None, Meta(description="Its beginning; null where the caller may not see.")]


class Stored(StrEnum):
    """`pending`: received, not yet in Phoenix. `phoenix`: there too. `roost`: the forward policy
    keeps it from Phoenix."""

    PENDING = "pending"
    PHOENIX = "phoenix"
    ROOST = "roost"


class Project(Struct, frozen=True):
    name: str
    traces: int
    last_us: Annotated[int | None, Meta(description="When its newest trace began.")]


class Projects(Struct, frozen=True):
    projects: list[Project]


class Trace(Struct, frozen=True):
    """`status`, `kind` and `name` are its root's; `model` and `provider` of its first call of a
    model; `user` the first that one of its spans names."""

    trace_id: str
    project: str
    name: str
    kind: str
    status: str
    start_us: int
    latency_us: int
    spans: int
    errors: Annotated[int, Meta(description="Spans that failed.")]
    prompt_tokens: int
    completion_tokens: int
    tokens: int
    cost_usd: Cost
    unpriced: Annotated[int, Meta(description="Calls of models whose price is not known.")]
    model: str | None
    provider: str | None
    user: str | None
    several_users: bool
    session: str | None
    root_span_id: str
    has_root: Annotated[
        bool, Meta(description="false while its root has not come: the earliest span stands in.")
    ]
    input: Shown
    output: Shown
    stored: Stored


class Traces(Struct, frozen=True):
    traces: list[Trace]
    next: Next


class Count(Struct, frozen=True):
    count: int
    more: Annotated[bool, Meta(description="There are more than `count`.")]


class FacetValue(Struct, frozen=True):
    value: str
    count: int


class Facets(Struct, frozen=True):
    """The most frequent values among the newest `counted` traces of the filter."""

    counted: int
    whole: Annotated[bool, Meta(description="Those are all there are.")]
    values: dict[str, list[FacetValue]]


class Bar(Struct, frozen=True):
    start_us: int
    traces: int
    failed: Annotated[int, Meta(description="Those with at least one span that failed.")]


class Histogram(Struct, frozen=True):
    width_us: int
    bars: list[Bar]


class Tree(Struct, frozen=True):
    """The spans of a trace as columns of one length, in the order of their start."""

    trace_id: str
    project: str
    origin_us: int
    names: list[str]
    kinds: list[str]
    models: list[str]
    span_id: list[str]
    parent: Annotated[list[int], Meta(description="Row of the parent; -1: none, or not there.")]
    name: Annotated[list[int], Meta(description="Place in `names`.")]
    kind: Annotated[list[int], Meta(description="Place in `kinds`.")]
    model: Annotated[list[int], Meta(description="Place in `models`; -1 for none.")]
    start_us: Annotated[list[int], Meta(description="From `origin_us`.")]
    duration_us: list[int]
    status: Annotated[list[int], Meta(description="0 unset, 1 ok, 2 error.")]
    tokens: list[int | None]
    cost_usd: list[float | None]
    truncated: Annotated[bool, Meta(description="There are more spans than these.")]


class Event(Struct, frozen=True):
    name: str
    time_us: int
    attributes: dict[str, object]


class Link(Struct, frozen=True):
    trace_id: str
    span_id: str
    attributes: dict[str, object]


class Failure(Struct, frozen=True):
    """An exception that the span has recorded."""

    type: str
    message: object
    stacktrace: object
    time_us: int


class Scope(Struct, frozen=True):
    name: str
    version: str


class Source(StrEnum):
    LOG = "log"
    PHOENIX = "phoenix"


class Span(Struct, frozen=True):
    """Attributes are nested as OpenInference names them. A large value is `{"$cut": <its size in
    bytes>, "head": <its beginning>, "href": <where the whole is, relative to this URL>}`."""

    trace_id: str
    span_id: str
    parent_id: str | None
    project: str
    name: str
    kind: str
    status: str
    status_message: object
    start_us: int
    end_us: int
    attributes: dict[str, object]
    events: list[Event]
    links: list[Link]
    exceptions: list[Failure]
    resource: dict[str, object]
    scope: Scope | None
    hidden: Annotated[list[Field], Meta(description="Kinds of fields that the caller may not see.")]
    source: Annotated[Source, Meta(description="Whether Roost's log or Phoenix holds the body.")]


class Cut(Struct, frozen=True, rename={"size_bytes": "$cut"}):
    """Stands for a value that is too large."""

    size_bytes: int
    head: str
    href: str


class Encoding(StrEnum):
    TEXT = "text"
    JSON = "json"


class Value(Struct, frozen=True):
    """`text` is a part of the value; `chars` is the length of the whole."""

    path: str
    encoding: Annotated[Encoding, Meta(description="`json` where the value is not a text.")]
    chars: int
    offset: int
    text: str
    next: Annotated[int | None, Meta(description="`offset` of the next part.")]


class Annotation(Struct, frozen=True):
    of: Annotated[str, Meta(description="`span`, `trace` or `session`.")]
    target: str
    name: str
    identifier: str
    annotator_kind: str
    label: str | None
    score: float | None
    explanation: str | None
    subject: str
    subject_name: str
    at_us: int


class Annotations(Struct, frozen=True):
    annotations: list[Annotation]


class Session(Struct, frozen=True):
    """As far as the caller may see it."""

    session: str
    project: str
    start_us: int
    end_us: int
    traces: int
    failed: int
    tokens: int
    cost_usd: Cost
    user: str | None
    several_users: bool
    first_input: Shown
    last_output: Shown


class Sessions(Struct, frozen=True):
    sessions: list[Session]
    next: Next


class UsagePoint(Struct, frozen=True):
    """`traces` and `failed` are null where it is grouped or narrowed by model or provider: `spans`
    are the calls then. Latencies are of traces, or of the calls, within 2.5 %."""

    bucket_us: Annotated[int | None, Meta(description="When the hour or day begins.")]
    spans: int
    errors: int
    traces: int | None
    failed: int | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float
    unpriced: int
    p50_us: float | None
    p90_us: float | None
    p99_us: float | None


class UsageGroup(Struct, frozen=True):
    key: Annotated[
        str | None,
        Meta(description='"" for what has no such value, null for what did not fit.'),
    ]
    total: UsagePoint
    points: list[UsagePoint]


class Usage(Struct, frozen=True):
    groups: list[UsageGroup]
    price_source: str


class UsageTops(Struct, frozen=True):
    """The greatest first."""

    groups: list[UsageGroup]


class Ingest(Struct, frozen=True):
    """`received`, `settled` and `indexed` are positions in the log; the rest counts spans, and
    `waiting` annotations."""

    received: int
    settled: Annotated[int, Meta(description="Up to there all is in Phoenix, skipped or parked.")]
    indexed: int
    unconfirmed: int
    confirmed: int
    skipped: int
    deleted: int
    parked: int
    waiting: int
    stored_bytes: int
    oldest_pending_s: float
    fault: Annotated[str | None, Meta(description="Why nothing goes on to Phoenix just now.")]


class Parked(Struct, frozen=True):
    """A span that Phoenix does not take."""

    id: int
    trace_id: str
    span_id: str
    project: str
    reason: str
    parked_at_us: int


class ParkedSpans(Struct, frozen=True):
    parked: list[Parked]
    next: Annotated[int | None, Meta(description="`after` of the next page.")]


class Retry(Struct, frozen=True, forbid_unknown_fields=True):
    """No ids means all parked spans."""

    ids: Annotated[list[int], Meta(max_length=1000)] = []


class Retried(Struct, frozen=True):
    count: int


class Problem(Struct, frozen=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
