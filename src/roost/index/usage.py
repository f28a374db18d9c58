"""Usage over time: who or what used how much, how often it failed, how long it took.

Rule: everything is a sum of stored hours or days, never a scan of spans. What does not fit into the
listed groups is the whole less those that are listed, so that the sums are right.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from roost.errors import BadRequest
from roost.index import sketch
from roost.index.asked import NANO, owner_label
from roost.index.catalogue import known_project, project_name
from roost.index.filters import Grain, Measure, UsageBy, UsageQuery
from roost.index.rows import UsageGroup, UsagePoint
from roost.index.tally import ALL, CALL, COUNTS, DAY, DAY_HOURS, HOUR, HOUR_US
from roost.index.viewer import OwnTraces, Viewer
from roost.index.words import NONE, known_word, words_of

MAX_GROUPS = 200
MAX_POINTS = 2_000

_SHARES = (0.5, 0.9, 0.99)
_SKETCH = len(COUNTS)
_SUMS = ", ".join(f"sum({one})" for one in COUNTS)
_SELECT = ", ".join((*COUNTS, "sketch"))
_GROUP = {
    UsageBy.NONE: "0",
    UsageBy.MODEL: "model",
    UsageBy.PROVIDER: "provider",
    UsageBy.USER: "user",
    UsageBy.PROJECT: "project",
}
_NAME = {
    UsageBy.NONE: "''",
    UsageBy.PROJECT: "(SELECT name FROM project WHERE project.id = {})",
}
_NAME_OF_A_WORD = "(SELECT text FROM word WHERE word.id = {})"
_RANK = {
    Measure.COST: "sum(cost) DESC, sum(prompt + completion) DESC, sum(spans) DESC",
    Measure.TOKENS: "sum(prompt + completion) DESC, sum(spans) DESC",
    Measure.TRACES: "sum(traces) DESC, sum(spans) DESC",
    Measure.SPANS: "sum(spans) DESC",
    Measure.ERRORS: "sum(errors) DESC, sum(spans) DESC",
}

Sums = list[int]
Points = dict[int, Sums]
"""By bucket."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """The stored rows that a query is a sum of. `calls`: they are of models' calls."""

    table: str
    where: str
    values: tuple[int, ...]
    calls: bool
    bucket_us: int


def series(db: sqlite3.Connection, viewer: Viewer, query: UsageQuery) -> list[UsageGroup]:
    """Groups with their points; a bucket in which nothing happened has none."""
    if (query.until_us - query.since_us) // _bucket_us(query) > MAX_POINTS:
        raise BadRequest(f"ask for at most {MAX_POINTS} hours or days")
    rows = _rows(db, viewer, query)
    if rows is None:
        return []
    most = min(query.max_groups, MAX_GROUPS)
    keys = _ranked(db, rows, query.by, _RANK[Measure.COST], most + 1)
    found = _points(db, rows, query.by, keys[:most])
    groups = [(key, found[key]) for key in keys[:most]]
    named = _named(db, query.by, keys)
    answer = [_group(named.get(key, ""), points, rows) for key, points in groups]
    if len(keys) > most:
        everything = _points(db, rows, UsageBy.NONE, (NONE,))[NONE]
        answer.append(_group(None, _less(everything, found.values()), rows))
    return answer


def tops(
    db: sqlite3.Connection, viewer: Viewer, query: UsageQuery, measure: Measure, limit: int
) -> list[UsageGroup]:
    """The first `limit` groups by that measure, without points; by LATENCY among those that were
    the most frequent."""
    rows = _rows(db, viewer, query)
    if rows is None:
        return []
    is_latency = measure is Measure.LATENCY
    rank = _RANK[Measure.SPANS if is_latency else measure]
    keys = _ranked(db, rows, query.by, rank, MAX_GROUPS if is_latency else min(limit, MAX_GROUPS))
    found = _points(db, rows, query.by, keys)
    named = _named(db, query.by, keys)
    groups = [_group(named.get(key, ""), found[key], rows, with_points=False) for key in keys]
    if is_latency:
        groups.sort(key=lambda one: (-(one.total.p90_us or 0.0), one.key or ""))
    return groups[:limit]


def _rows(db: sqlite3.Connection, viewer: Viewer, query: UsageQuery) -> _Rows | None:
    """None where nothing can match."""
    calls = query.by in (UsageBy.MODEL, UsageBy.PROVIDER) or bool(query.model or query.provider)
    width = _bucket_us(query)
    where = "grain = ? AND call = ? AND bucket >= ? AND bucket <= ?"
    values: list[int | None] = [
        DAY if query.grain is Grain.DAY else HOUR,
        CALL if calls else ALL,
        query.since_us // width,
        max(query.since_us, query.until_us - 1) // width,
    ]
    for column, value in _conditions(db, viewer, query):
        where += f" AND {column} = ?"
        values.append(value)
    known = tuple(one for one in values if one is not None)
    if len(known) < len(values):
        return None
    by_user = isinstance(viewer, OwnTraces) or query.user is not None or query.by is UsageBy.USER
    return _Rows("user_usage" if by_user else "usage", where, known, calls, width)


def _conditions(
    db: sqlite3.Connection, viewer: Viewer, query: UsageQuery
) -> Iterator[tuple[str, int | None]]:
    if isinstance(viewer, OwnTraces):
        yield "user", owner_label(db, viewer)[1]
        yield "own", 1
    if query.user is not None:
        yield "user", known_word(db, query.user)
    if query.project is not None:
        yield "project", known_project(db, query.project)
    if query.model is not None:
        yield "model", known_word(db, query.model)
    if query.provider is not None:
        yield "provider", known_word(db, query.provider)


def _ranked(db: sqlite3.Connection, rows: _Rows, by: UsageBy, rank: str, most: int) -> list[int]:
    """The groups' keys, the greatest first, equals by name: ids would tell what came first in the
    home, traces that the viewer may not see included."""
    group = _GROUP[by]
    name = _NAME.get(by, _NAME_OF_A_WORD).format(f"{rows.table}.{group}")
    found = db.execute(
        f"SELECT {group} FROM {rows.table} WHERE {rows.where}"  # noqa: S608
        f" GROUP BY 1 ORDER BY {rank}, {name} LIMIT ?",
        (*rows.values, most),
    )
    return [row[0] for row in found]


def _points(
    db: sqlite3.Connection, rows: _Rows, by: UsageBy, keys: Sequence[int]
) -> Mapping[int, Points]:
    group = _GROUP[by]
    by_index = " INDEXED BY user_usage_by_user" if by is UsageBy.USER else ""
    marks = ", ".join("?" * len(keys))
    found: defaultdict[int, Points] = defaultdict(dict)
    for key, bucket, *row in db.execute(
        f"SELECT {group}, bucket, {_SELECT} FROM {rows.table}{by_index}"  # noqa: S608
        f" WHERE {rows.where} AND {group} IN ({marks})",
        (*rows.values, *keys),
    ):
        row[_SKETCH] = sketch.unpacked(row[_SKETCH])
        points = found[key]
        was = points.get(bucket)
        points[bucket] = row if was is None else _sum(was, row)
    return found


def _sum(one: Sums, other: Sums) -> Sums:
    return [a + b for a, b in zip(one, other, strict=True)]


def _less(everything: Points, listed: Iterable[Points]) -> Points:
    left = dict(everything)
    for points in listed:
        for bucket, sums in points.items():
            left[bucket] = [a - b for a, b in zip(left[bucket], sums, strict=True)]
    return {bucket: sums for bucket, sums in left.items() if any(sums)}


def _group(key: str | None, points: Points, rows: _Rows, *, with_points: bool = True) -> UsageGroup:
    total: Sums = [0] * (_SKETCH + 1)
    for sums in points.values():
        total = _sum(total, sums)
    shown = [
        _point(bucket * rows.bucket_us, points[bucket], rows.calls) for bucket in sorted(points)
    ]
    return UsageGroup(key, _point(None, total, rows.calls), shown if with_points else ())


def _point(bucket_us: int | None, sums: Sums, calls: bool) -> UsagePoint:
    spans, errors, traces, failed, prompt, completion, cached, reasoning, cost, unpriced = sums[
        :_SKETCH
    ]
    return UsagePoint(
        bucket_us, spans, errors, None if calls else traces, None if calls else failed, prompt,
        completion, cached, reasoning, cost / NANO, unpriced,
        *sketch.quantiles(sums[_SKETCH], _SHARES),
    )  # fmt: skip


def _named(db: sqlite3.Connection, by: UsageBy, keys: Sequence[int]) -> Mapping[int, str]:
    if by is UsageBy.PROJECT:
        return {one: project_name(db, one) for one in keys}
    return words_of(db, keys)


def _bucket_us(query: UsageQuery) -> int:
    return HOUR_US * DAY_HOURS if query.grain is Grain.DAY else HOUR_US
