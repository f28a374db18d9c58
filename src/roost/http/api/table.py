"""Every call of Roost's own API, a row each: who may, what it takes, what is asked, what comes.

Rule: what no row names is not there; `openapi.json`, `api.md` and the endpoint are made of these
rows and of nothing else.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from roost.errors import NotFound
from roost.http import api_messages as q
from roost.http.api import parameters as p
from roost.http.api import shapes
from roost.http.api.given import Given, Parameter
from roost.index.filters import PAGE_ROWS, Dimension, Measure, UsageBy
from roost.model import Role

_HEX = {"trace": re.compile(r"[0-9a-f]{32}"), "span": re.compile(r"[0-9a-f]{16}")}


@dataclass(frozen=True, slots=True)
class Row:
    """`path` is behind `api/`; `ask` makes the question, where it takes no body. `revalidated`
    answers carry an ETag."""

    path: str
    name: str
    summary: str
    answer: type[Struct] | None
    ask: Callable[[Given], q.Question]
    parameters: tuple[Parameter[object], ...] = ()
    needs: Role = Role.END_USER
    method: str = "GET"
    body: type[Struct] | None = None
    revalidated: bool = False

    @property
    def streams(self) -> bool:
        return self.answer is None


def find(method: str, segments: Sequence[str]) -> tuple[Row, Mapping[str, str]]:
    """The row for that path behind `api/`, and what its names stand for. HEAD is asked as GET.
    NotFound where there is none, or an id is none."""
    asked = "GET" if method == "HEAD" else method
    for row in ROWS:
        named = _named(row.path.split("/"), segments)
        if named is not None and row.method == asked:
            return row, named
    raise NotFound(reason="no row of the API names this path")


def _named(template: Sequence[str], segments: Sequence[str]) -> Mapping[str, str] | None:
    if len(template) != len(segments):
        return None
    named: dict[str, str] = {}
    for part, segment in zip(template, segments, strict=True):
        if not part.startswith("{"):
            if part != segment:
                return None
            continue
        name = part.strip("{}")
        value = segment.lower() if name in _HEX else segment
        if name in _HEX and not _HEX[name].fullmatch(value):
            return None
        named[name] = value
    return named


_USAGE = (p.USAGE_SINCE, p.USAGE_UNTIL, p.GRAIN, p.PROJECT, p.MODEL, p.PROVIDER, p.USER)
_TRACE = "traces/{trace}"
_SPAN = "traces/{trace}/spans/{span}"
_SESSION = "sessions/{session}"

ROWS: tuple[Row, ...] = (
    Row(
        "projects", "listProjects", "Projects by name.", shapes.Projects, lambda given: q.Projects()
    ),
    Row(
        "traces",
        "listTraces",
        "Traces, a page at a time.",
        shapes.Traces,
        lambda given: q.Traces(
            p.trace_filter(given),
            p.sort(given),
            given.get(p.LIMIT, PAGE_ROWS),
            given.get(p.CURSOR),
        ),
        (
            *p.TRACE_FILTER,
            p.SORT,
            p.CURSOR,
            p.LIMIT,
        ),
    ),
    Row(
        "traces/count",
        "countTraces",
        "How many there are, up to 1,000.",
        shapes.Count,
        lambda given: q.TraceCount(p.trace_filter(given)),
        p.TRACE_FILTER,
    ),
    Row(
        "traces/facets",
        "listTraceFacets",
        "The most frequent values among the newest 10,000.",
        shapes.Facets,
        lambda given: q.TraceFacets(
            p.trace_filter(given),
            given.get(p.DIMENSIONS, tuple(Dimension)),
            given.get(p.VALUES, 10),
        ),
        (
            *p.TRACE_FILTER,
            p.DIMENSIONS,
            p.VALUES,
        ),
    ),
    Row(
        "traces/histogram",
        "countTracesOverTime",
        "Bars over time: the last day, where no range is given.",
        shapes.Histogram,
        lambda given: _histogram(given),
        (
            *p.TRACE_FILTER,
            p.WIDTH,
        ),
    ),
    Row(
        "traces/export",
        "exportTraces",
        "Every trace of the filter, the oldest first, as a stream of lines.",
        None,
        lambda given: q.Export(
            p.trace_filter(given), given.get(p.FORMAT, q.Format.JSONL), given.get(p.BODIES, False)
        ),
        (
            *p.TRACE_FILTER,
            p.FORMAT,
            p.BODIES,
        ),
    ),
    Row(
        _TRACE,
        "getTrace",
        "One trace.",
        shapes.Trace,
        lambda given: q.OneTrace(given.path["trace"]),
    ),
    Row(
        f"{_TRACE}/skeleton",
        "getTraceSkeleton",
        "Its spans, narrow: what a tree or a waterfall shows.",
        shapes.Tree,
        lambda given: q.Tree(given.path["trace"], given.get(p.TREE_LIMIT, 50_000)),
        (p.TREE_LIMIT,),
        revalidated=True,
    ),
    Row(
        _SPAN,
        "getSpan",
        "One span with all it holds.",
        shapes.Span,
        lambda given: q.SpanBody(given.path["trace"], given.path["span"]),
        revalidated=True,
    ),
    Row(
        f"{_SPAN}/values",
        "getSpanValue",
        "A part of one value that was cut.",
        shapes.Value,
        lambda given: q.SpanValue(
            given.path["trace"],
            given.path["span"],
            given.get(p.PATH, ""),
            given.get(p.OFFSET, 0),
            given.get(p.VALUE_LIMIT, 65_536),
        ),
        (
            p.PATH,
            p.OFFSET,
            p.VALUE_LIMIT,
        ),
    ),
    Row(
        f"{_TRACE}/annotations",
        "listTraceAnnotations",
        "Annotations of the trace and its spans, the oldest first.",
        shapes.Annotations,
        lambda given: q.TraceAnnotations(given.path["trace"]),
    ),
    Row(
        "sessions",
        "listSessions",
        "Sessions, the latest first.",
        shapes.Sessions,
        lambda given: q.Sessions(
            p.session_filter(given), given.get(p.LIMIT, PAGE_ROWS), given.get(p.CURSOR)
        ),
        (
            p.PROJECT,
            p.ENDED_SINCE,
            p.ENDED_BEFORE,
            p.USER,
            p.CURSOR,
            p.LIMIT,
        ),
    ),
    Row(
        _SESSION,
        "getSession",
        "One session.",
        shapes.Session,
        lambda given: q.OneSession(given.path["session"]),
    ),
    Row(
        f"{_SESSION}/traces",
        "listSessionTraces",
        "Its traces in order.",
        shapes.Traces,
        lambda given: q.SessionTraces(
            given.path["session"], given.get(p.LIMIT, PAGE_ROWS), given.get(p.CURSOR)
        ),
        (
            p.CURSOR,
            p.LIMIT,
        ),
    ),
    Row(
        f"{_SESSION}/annotations",
        "listSessionAnnotations",
        "Annotations of the session, the oldest first.",
        shapes.Annotations,
        lambda given: q.SessionAnnotations(given.path["session"]),
    ),
    Row(
        "usage",
        "getUsage",
        "Calls, tokens, cost, failures and latency over time.",
        shapes.Usage,
        lambda given: q.UsageSeries(p.usage_query(given, given.get(p.BY, UsageBy.NONE))),
        (
            *_USAGE,
            p.BY,
            p.GROUPS,
        ),
    ),
    Row(
        "usage/tops",
        "listUsageTops",
        "The greatest groups, without points.",
        shapes.UsageTops,
        lambda given: _tops(given, given.get(p.TOP_BY, UsageBy.MODEL)),
        (
            *_USAGE,
            p.TOP_BY,
            p.MEASURE,
            p.TOP_LIMIT,
        ),
    ),
    Row(
        "usage/users",
        "listUsersByUsage",
        "The users with the greatest cost, or by another measure.",
        shapes.UsageTops,
        lambda given: _tops(given, UsageBy.USER),
        (
            *_USAGE,
            p.MEASURE,
            p.TOP_LIMIT,
        ),
    ),
    Row(
        "ingest",
        "getIngest",
        "What was received, and how far it is on its way.",
        shapes.Ingest,
        lambda given: q.IngestState(),
        needs=Role.MEMBER,
    ),
    Row(
        "ingest/parked",
        "listParkedSpans",
        "Spans that Phoenix does not take, and why.",
        shapes.ParkedSpans,
        lambda given: q.ParkedSpans(given.get(p.AFTER, 0), given.get(p.PARKED_LIMIT, 100)),
        (
            p.AFTER,
            p.PARKED_LIMIT,
        ),
        needs=Role.MEMBER,
    ),
    Row(
        "ingest/retry",
        "retryParkedSpans",
        "Send parked spans to Phoenix once more.",
        shapes.Retried,
        lambda given: _retry(given),
        needs=Role.ADMIN,
        method="POST",
        body=shapes.Retry,
    ),
)


def _histogram(given: Given) -> q.Question:
    wanted = p.ranged(given)
    return q.Histogram(wanted, p.width_us(given, wanted))


def _tops(given: Given, by: UsageBy) -> q.Question:
    measure = given.get(p.MEASURE, Measure.COST)
    return q.UsageTops(p.usage_query(given, by), measure, given.get(p.TOP_LIMIT, 10))


def _retry(given: Given) -> q.Question:
    return q.RetryParked(given.body.ids if isinstance(given.body, shapes.Retry) else [])
