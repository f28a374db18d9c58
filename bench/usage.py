"""Charts over time: as Phoenix's metrics page shows them, a query each; here two requests."""

from collections.abc import Iterator

from bench.lists import PROJECT, iso
from bench.phoenix_side import PhoenixSide
from bench.questions import Group, Question
from bench.roost_side import RoostSide

from roost.index.filters import UsageBy, UsageQuery
from roost.index.queries import Queries
from roost.index.viewer import EVERYTHING

LATENCY = "TraceLatencyPercentilesTimeSeriesQuery"
SERIES = (
    "TraceCountTimeSeriesQuery",
    LATENCY,
    "TraceTokenCostTimeSeriesQuery",
    "TraceTokenCountTimeSeriesQuery",
)
TOPS = ("TopModelsByCostQuery", "TopModelsByTokenQuery")
BINS = {"scale": "DAY", "utcOffsetMinutes": 0}
"""What the page takes for 30 days."""


def questions(since_us: int, until_us: int) -> Iterator[Question]:
    """One chart, and the six that say what the two requests say."""
    yield _charts("one chart, latency by day", (LATENCY,), (), since_us, until_us)
    yield _charts("six charts", SERIES, TOPS, since_us, until_us)


def _charts(
    name: str, series: tuple[str, ...], tops: tuple[str, ...], since_us: int, until_us: int
) -> Question:
    span = {"start": iso(since_us), "end": iso(until_us)}
    groups = [UsageBy.NONE, UsageBy.MODEL] if tops else [UsageBy.NONE]
    asked = f"usage?project={PROJECT}&since={span['start']}&until={span['end']}"

    def phoenix(side: PhoenixSide) -> None:
        named = {"projectId": side.project(PROJECT), "timeRange": span}
        for document in series:
            side.ask(document, {**named, "timeBinConfig": BINS})
        for document in tops:
            side.ask(document, named)

    def roost(side: RoostSide) -> None:
        for by in groups:
            side.get(f"{asked}&by={by}")

    def index(queries: Queries) -> None:
        for by in groups:
            queries.usage(EVERYTHING, UsageQuery(since_us, until_us, by=by, project=PROJECT))

    return Question(f"30 days, {name}", Group.USAGE, roost, index, phoenix)
