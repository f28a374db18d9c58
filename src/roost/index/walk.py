"""How the traces that were asked for are reached in one project.

Rule: what is rare is gathered and sorted, what is frequent is walked in the order of the sort
until the page is full. So a query costs about the lesser of the rarest condition's traces and of
what must be walked to find a page, at any size of the home.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from roost.index.asked import Asked, Test, Value, test_of
from roost.index.filters import SortBy
from roost.index.postings import Label

_INDEXED = {
    "start": "trace_by_start",
    "latency": "trace_by_latency",
    "tokens": "trace_by_tokens",
    "cost": "trace_by_cost",
    "spans": "trace_by_spans",
    "errors": "trace_by_errors",
    "name": "trace_by_name",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What follows FROM and WHERE; `order` is the SQL of the column that a walk goes along, "" for
    what is gathered in no order."""

    tables: str
    tests: Sequence[Test]
    order: str = ""
    candidates: str | None = None
    """JSON for the one `?` in `tables`."""

    @property
    def where(self) -> str:
        return " AND ".join(test.sql for test in self.tests)

    @property
    def values(self) -> tuple[Value, ...]:
        """In the order of their marks, those in `tables` first."""
        first = () if self.candidates is None else (self.candidates,)
        return (*first, *(value for test in self.tests for value in test.values))


def source_for(db: sqlite3.Connection, asked: Asked, project: int, sort: SortBy) -> Source:
    """The cheapest way to the traces of that project in that order."""
    if asked.ids is not None:
        return _candidates(asked, project)
    if sort is SortBy.START and len(asked.labels) == 1 and not asked.other_ranges:
        return _posting(asked, project, asked.labels[0])
    rarest = _rarest(db, asked, project, most=asked.effort.few + 1)
    if rarest is not None and (rarest.count <= asked.effort.few or sort is SortBy.START):
        if isinstance(rarest.key, tuple):
            return _posting(asked, project, rarest.key)
        if rarest.count <= asked.effort.few:
            return _indexed(asked, project, rarest.key, is_walk=rarest.key == sort.value)
    return _indexed(asked, project, sort.value, is_walk=True)


def smallest_source(db: sqlite3.Connection, asked: Asked, project: int) -> Source:
    """For what must see all of them, in whatever order."""
    if asked.ids is not None:
        return _candidates(asked, project)
    rarest = _rarest(db, asked, project, most=1_000_000)
    if rarest is None:
        return _indexed(asked, project, "start", is_walk=True)
    if isinstance(rarest.key, tuple):
        return _posting(asked, project, rarest.key)
    return _indexed(asked, project, rarest.key, is_walk=False)


@dataclass(frozen=True, slots=True)
class _Rarest:
    key: Label | str
    """A label, or the column of a range."""
    count: int


def _rarest(db: sqlite3.Connection, asked: Asked, project: int, most: int) -> _Rarest | None:
    """Of the conditions that an index can begin with; counted up to `most`. Among the frequent ones
    labels come first: their postings are in the order of the start."""
    found: _Rarest | None = None
    for label in asked.labels:
        count = count_posting(db, asked, project, label, most)
        if found is None or count < found.count:
            found = _Rarest(label, count)
        most = min(most, found.count)
    for column, ends in asked.ranges.items():
        count = count_range(db, project, column, ends, most)
        if found is None or count < found.count:
            found = _Rarest(column, count)
        most = min(most, found.count)
    return found


def count_posting(
    db: sqlite3.Connection, asked: Asked, project: int, label: Label, most: int
) -> int:
    least, greatest = asked.ranges.get("start", (-(1 << 62), 1 << 62))
    row = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM posting WHERE dimension = ? AND value = ?"
        " AND project = ? AND start >= ? AND start <= ? LIMIT ?)",
        (*label, project, least, greatest, most),
    ).fetchone()
    return int(row[0])


def count_range(
    db: sqlite3.Connection, project: int, column: str, ends: tuple[int, int], most: int
) -> int:
    row = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM trace INDEXED BY {_INDEXED[column]}"  # noqa: S608
        f" WHERE project = ? AND {column} >= ? AND {column} <= ? LIMIT ?)",
        (project, *ends, most),
    ).fetchone()
    return int(row[0])


def _candidates(asked: Asked, project: int) -> Source:
    ids = msgspec.json.encode(sorted(asked.ids or ())).decode()
    return Source(
        "json_each(?) j CROSS JOIN trace t ON t.id = j.value",
        [Test("t.project = ?", (project,)), *_range_tests(asked), *_label_tests(asked)],
        candidates=ids,
    )


def _posting(asked: Asked, project: int, label: Label) -> Source:
    found = [Test("p.dimension = ? AND p.value = ? AND p.project = ?", (*label, project))]
    if (ends := asked.ranges.get("start")) is not None:
        found.append(Test("p.start >= ? AND p.start <= ?", ends))
    others = [one for one in asked.labels if one != label]
    return Source(
        "posting p CROSS JOIN trace t ON t.id = p.trace",
        [
            *found,
            *(_range_test(column, ends) for column, ends in asked.other_ranges.items()),
            *(test_of(one) for one in others),
            *asked.tests,
        ],
        order="p.start",
    )


def _indexed(asked: Asked, project: int, column: str, *, is_walk: bool) -> Source:
    """Along the index of that column."""
    return Source(
        f"trace t INDEXED BY {_INDEXED[column]}",
        [Test("t.project = ?", (project,)), *_range_tests(asked), *_label_tests(asked)],
        order=f"t.{column}" if is_walk else "",
    )


def _range_tests(asked: Asked) -> list[Test]:
    return [_range_test(column, ends) for column, ends in asked.ranges.items()]


def _range_test(column: str, ends: tuple[int, int]) -> Test:
    return Test(f"t.{column} >= ? AND t.{column} <= ?", ends)


def _label_tests(asked: Asked) -> list[Test]:
    return [*(test_of(one) for one in asked.labels), *asked.tests]
