"""What queries answer with.

Rule: plain values. Times in microseconds since the epoch, costs in US dollars, ids as OpenTelemetry
writes them in hex.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from roost.index.filters import Dimension, Status
from roost.log.base import Position


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One trace. `user` is the first that one of its spans names, `several_users` says that there
    are more; `model` and `provider` are of its first call of a model. `cost_usd` is None where no
    call has a known price, `unpriced` counts the calls that have none. Tokens are those of its LLM
    spans."""

    trace_id: str
    project: str
    name: str
    kind: str
    status: Status
    start_us: int
    latency_us: int
    spans: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    unpriced: int
    model: str | None
    provider: str | None
    user: str | None
    several_users: bool
    session: str | None
    root_span_id: str
    has_root: bool
    """False while no span without a parent has come: the earliest one stands in."""
    input: str
    output: str
    changed_at: Position

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class TracePage:
    """`next` continues behind the last row; None where there is no more. It is bound to filter,
    sort and viewer."""

    rows: Sequence[TraceRow]
    next: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """`more`: there are more than `count`."""

    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class FacetValue:
    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """The most frequent values of each dimension among the newest `counted` traces of the filter;
    `whole` says that those are all there are."""

    counted: int
    whole: bool
    values: Mapping[Dimension, Sequence[FacetValue]]


@dataclass(frozen=True, slots=True)
class Bar:
    start_us: int
    traces: int
    failed: int
    """Those with at least one span in error."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The spans of a trace as columns of one length, in the order of (start, arrival).

    `parent` is the row of the parent, -1 for none and for one that is not there; `name`, `kind` and
    `model` are rows of `names`, `kinds` and `models` (-1: no model). `start_us` counts from
    `origin_us`. `tokens` and `cost_usd` are the span's own, None where it has none.
    """

    trace_id: str
    project: str
    origin_us: int
    names: Sequence[str]
    kinds: Sequence[str]
    models: Sequence[str]
    span_id: Sequence[str]
    parent: Sequence[int]
    name: Sequence[int]
    kind: Sequence[int]
    model: Sequence[int]
    start_us: Sequence[int]
    duration_us: Sequence[int]
    status: Sequence[int]
    """OTLP's codes: 0 unset, 1 ok, 2 error."""
    tokens: Sequence[int | None]
    cost_usd: Sequence[float | None]
    truncated: bool
    """There are more spans than were asked for."""


@dataclass(frozen=True, slots=True)
class SpanPlace:
    """Where the body of a span stands in the log; `position` is None for a span that the cell made
    itself, whose body only the cell has."""

    trace_id: str
    span_id: str
    position: Position | None
    ordinal: int


@dataclass(frozen=True, slots=True)
class AnnotationRow:
    """`of` is `span`, `trace` or `session`, `target` its id."""

    of: str
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


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What the viewer may see of it. `user` is one of its users, if it has any."""

    session: str
    project: str
    start_us: int
    end_us: int
    traces: int
    failed: int
    tokens: int
    cost_usd: float | None
    user: str | None
    several_users: bool
    first_input: str
    last_output: str


@dataclass(frozen=True, slots=True)
class SessionPage:
    rows: Sequence[SessionRow]
    next: str | None


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """`last_us` is when its newest trace began; None where it has none."""

    name: str
    traces: int
    last_us: int | None


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """`bucket_us` is when the hour or day begins, None in a list of tops. `traces` and `failed`
    are None where it is grouped or narrowed by model or provider; `spans` are the calls then.
    Latencies are of traces, or of the calls, within 2.5 % of what they were; None without any."""

    bucket_us: int | None
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


@dataclass(frozen=True, slots=True)
class UsageGroup:
    """`key` is "" for what has no such value, and None for the groups that did not fit."""

    key: str | None
    total: UsagePoint
    points: Sequence[UsagePoint]


@dataclass(frozen=True, slots=True)
class Usage:
    """Groups by cost, then tokens, then spans, the greatest first."""

    groups: Sequence[UsageGroup]
    price_source: str


class Change(StrEnum):
    UPSERT = "upsert"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class TraceChange:
    """A trace that came, changed or went. `own_before` and `own_now` name the end user who could
    see it before, and can see it now; where they differ, `own_before` must be told that it is gone.
    """

    trace_id: str
    project: str
    change: Change
    own_before: str | None
    own_now: str | None


@dataclass(frozen=True, slots=True)
class Applied:
    cursor: Position
    changes: Sequence[TraceChange]
    spans: int
    """How many were new."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed for the viewer behind a position. Ask again from `upto` while `more`.
    `gap`: that long ago is not known any more; load anew."""

    rows: Sequence[TraceRow]
    removed: Sequence[str]
    upto: Position
    more: bool
    gap: bool
