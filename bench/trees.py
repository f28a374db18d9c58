"""Whole traces: as columns of one answer here, by pages of a thousand spans in Phoenix."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.questions import Group, Question

from roost.index.filters import Sort, SortBy, TraceFilter
from roost.index.queries import Queries
from roost.index.viewer import EVERYTHING

PHOENIX_SPANS_MAX = 10_000
"""More is not asked of Phoenix: it does not get there."""


@dataclass(frozen=True, slots=True)
class Known:
    """A trace that is there."""

    trace_id: str
    project: str
    spans: int


def known(queries: Queries, big: int) -> list[Known]:
    """The newest trace, and the biggest by size."""
    newest = queries.traces(EVERYTHING, TraceFilter(), Sort(), limit=1).rows
    biggest = queries.traces(EVERYTHING, TraceFilter(), Sort(SortBy.SPANS), limit=big)
    rows = [*newest, *reversed(biggest.rows)]
    return [Known(row.trace_id, row.project, row.spans) for row in rows]


def questions(traces: list[Known]) -> Iterator[Question]:
    for one in traces:
        yield _tree(one)


def _tree(one: Known) -> Question:
    return Question(
        f"tree of {one.spans:,} spans",
        Group.TREE,
        lambda side: sorted(side.get(f"traces/{one.trace_id}/skeleton")["span_id"]),
        lambda queries: queries.skeleton(EVERYTHING, one.trace_id),
        None
        if one.spans > PHOENIX_SPANS_MAX
        else lambda side: sorted(side.tree(side.project(one.project), one.trace_id)),
    )
