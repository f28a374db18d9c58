"""Pages of traces: beside Phoenix's own traces page, and what no page of Phoenix offers.

Rule: a question is a TraceFilter and a Sort; what goes over HTTP is made of them.
"""

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from urllib.parse import urlencode

from bench.index import DAY_US, NOW_US
from bench.phoenix_side import PhoenixSide
from bench.questions import Group, Question
from bench.roost_side import RoostSide

from roost.index.filters import AnnotationFilter, Sort, SortBy, Status, TraceFilter
from roost.index.queries import Queries
from roost.index.sessions import SessionFilter
from roost.index.viewer import EVERYTHING

PAGE, FIRST_PAGE = 50, 30
"""Phoenix's page asks for 30 at first and 30 more while one scrolls; here both are asked for 50."""
PROJECT = "default"
DESCENDANTS = 50
NEWEST = Sort()
_LATENCY, _TOKENS, _COST = Sort(SortBy.LATENCY), Sort(SortBy.TOKENS), Sort(SortBy.COST)
_OF_PROJECT = TraceFilter(project=PROJECT)
_TIMES = {"since_us": "since", "until_us": "until"}
_BESIDE = {
    f"newest {PAGE}": (_OF_PROJECT, NEWEST, "startTime", None),
    f"{PAGE} by tokens": (_OF_PROJECT, _TOKENS, "cumulativeTokenCountTotal", None),
    f"{PAGE} by latency": (_OF_PROJECT, _LATENCY, "latencyMs", None),
    "with errors": (
        TraceFilter(project=PROJECT, has_errors=True), NEWEST, "startTime", "error_count > 0",
    ),
    "of one user": (
        TraceFilter(project=PROJECT, user="user-3"), NEWEST, "startTime", 'user.id == "user-3"',
    ),
    "with errors and many tokens, by tokens": (
        TraceFilter(project=PROJECT, has_errors=True, min_tokens=20_000), _TOKENS,
        "cumulativeTokenCountTotal", "error_count > 0 and token_count_total >= 20000",
    ),
}  # fmt: skip
_EQUALITIES = {
    "a frequent model": TraceFilter(model="gpt-4o-mini"),
    "a rare model": TraceFilter(model="house-model-7b"),
    "a provider": TraceFilter(provider="anthropic"),
    "status": TraceFilter(status=Status.ERROR),
    "errors": TraceFilter(has_errors=True),
    "a name": TraceFilter(name="plan_trip"),
    "span kind": TraceFilter(span_kind="RETRIEVER"),
    "a user": TraceFilter(user="user-3"),
    "a session": TraceFilter(session="session-0-3"),
    "a project": TraceFilter(project="evals"),
}
_OTHERS = {
    "a rare model, by latency": (TraceFilter(model="house-model-7b"), _LATENCY),
    "a frequent model, by tokens": (TraceFilter(model="gpt-4o-mini"), _TOKENS),
    "errors, by cost": (TraceFilter(has_errors=True), _COST),
    "a rare model and errors": (TraceFilter(model="house-model-7b", has_errors=True), NEWEST),
    "many tokens": (TraceFilter(min_tokens=30_000), NEWEST),
    "slow and many tokens": (
        TraceFilter(min_latency_us=3_000_000, min_tokens=20_000), NEWEST,
    ),
    "slow, cheap, one name, by latency": (
        TraceFilter(min_latency_us=1_500_000, max_cost_usd=0.002, name="plan_trip"), _LATENCY,
    ),
    "nothing matches": (TraceFilter(min_tokens=40_000, max_cost_usd=0.0001), NEWEST),
    "last day, by latency": (TraceFilter(since_us=NOW_US - DAY_US), _LATENCY),
    "first day, by cost": (TraceFilter(until_us=NOW_US - 29 * DAY_US), _COST),
    "annotated, by score": (
        TraceFilter(annotation=AnnotationFilter("helpful", min_score=0.9)), NEWEST,
    ),
    "text: a rare word": (TraceFilter(text="term20007"), NEWEST),
    "text: a common word": (TraceFilter(text="rivers"), NEWEST),
    "text: two common words": (TraceFilter(text="rivers mountains"), NEWEST),
}  # fmt: skip


def beside(since_us: int, until_us: int) -> Iterator[Question]:
    """What Phoenix's pages offer too."""
    for name, (wanted, sort, column, condition) in _BESIDE.items():
        yield _page(f"traces, {name}", Group.LIST, wanted, sort, (column, condition))
    week = TraceFilter(project=PROJECT, since_us=until_us - 7 * DAY_US, until_us=until_us)
    span = {"start": iso(week.since_us or 0), "end": iso(until_us)}
    column = "cumulativeTokenCountTotal"
    yield _page(
        f"traces, last 7 days, {PAGE} by tokens", Group.LIST, week, _TOKENS, (column, None), span
    )
    yield _sessions(since_us, until_us)


def alone() -> Iterator[Question]:
    """What is asked of Roost at every size."""
    for by in SortBy:
        yield _page(f"by {by}", Group.SORT, TraceFilter(), Sort(by))
    for name, wanted in _EQUALITIES.items():
        yield _page(name, Group.EQUALITY, wanted, NEWEST)
    for name, (wanted, sort) in _OTHERS.items():
        yield _page(name, Group.OTHER, wanted, sort)


def _page(
    name: str,
    group: Group,
    wanted: TraceFilter,
    sort: Sort,
    of_phoenix: tuple[str, str | None] | None = None,
    time_range: dict[str, str] | None = None,
) -> Question:
    path = f"traces?{query_of(wanted, sort)}"

    def roost(side: RoostSide) -> list[str]:
        return [row["trace_id"] for row in side.get(path)["traces"]]

    def index(queries: Queries) -> object:
        return queries.traces(EVERYTHING, wanted, sort, limit=PAGE)

    if of_phoenix is None:
        return Question(name, group, roost, index)
    column, condition = of_phoenix

    def phoenix(side: PhoenixSide) -> list[str]:
        return side.traces(
            side.project(PROJECT),
            PAGE,
            numDescendants=DESCENDANTS,
            sort={"col": column, "dir": "desc"},
            traceFilterCondition=condition,
            timeRange=time_range,
        )

    return Question(name, group, roost, index, phoenix)


def query_of(wanted: TraceFilter, sort: Sort) -> str:
    """The query string that means that filter and sort."""
    given: dict[str, object] = {"limit": PAGE, "sort": f"{'-' * sort.descending}{sort.by}"}
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if value in (None, ""):
            continue
        if isinstance(value, AnnotationFilter):
            given |= {"annotation": value.name, "annotation_min_score": value.min_score}
        elif field.name in _TIMES:
            given[_TIMES[field.name]] = iso(value)
        else:
            given[field.name] = str(value).lower() if isinstance(value, bool) else value
    return urlencode(given)


def _sessions(since_us: int, until_us: int) -> Question:
    span = {"start": iso(since_us), "end": iso(until_us)}

    def phoenix(side: PhoenixSide) -> object:
        named = {"id": side.project(PROJECT), "timeRange": span}
        return side.ask("ProjectPageQueriesSessionsQuery", named)["project"]["id"]

    return Question(
        f"sessions, the first page ({FIRST_PAGE})",
        Group.SESSIONS,
        lambda side: side.get(f"sessions?project={PROJECT}&limit={FIRST_PAGE}")["next"],
        lambda queries: queries.sessions(
            EVERYTHING, SessionFilter(project=PROJECT), limit=FIRST_PAGE
        ),
        phoenix,
    )


def iso(time_us: int) -> str:
    """A time as both sides take it."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat().replace("+00:00", "Z")
