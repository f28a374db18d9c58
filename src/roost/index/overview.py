"""What stands beside a list of traces: bars over time, facets, projects.

Rule: whatever is counted is counted among what the viewer may see.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from roost.errors import BadRequest
from roost.index.asked import Asked, owner_label
from roost.index.facts import KINDS
from roost.index.filters import STATUSES, Dimension, Sort
from roost.index.postings import Posted
from roost.index.rows import Bar, Facets, FacetValue, ProjectRow
from roost.index.tally import ALL, HOUR, HOUR_US
from roost.index.traces import page
from roost.index.viewer import OwnTraces, Viewer
from roost.index.walk import smallest_source
from roost.index.words import words_of

FACETED = 10_000
"""The newest traces of the filter, of which facets are made."""
MAX_BARS = 1_000

_MET = """
WITH met AS MATERIALIZED (
  SELECT t.model, t.provider, t.user, t.status, t.kind, t.name_word, t.kinds, t.labels
  FROM json_each(?) j CROSS JOIN trace t ON t.id = j.value
)
"""
_BY_WORD = {
    Dimension.MODEL: ("model", Posted.MODEL),
    Dimension.PROVIDER: ("provider", Posted.PROVIDER),
    Dimension.USER: ("user", Posted.USER),
}


def histogram(
    db: sqlite3.Connection, viewer: Viewer, asked: Asked | None, bars: tuple[int, int, int]
) -> list[Bar]:
    """`bars` is (since, until, width) in µs; whole bars, empty ones too."""
    since, until, width = bars
    if width <= 0 or not 0 <= since < until or (until - since) // width > MAX_BARS:
        raise BadRequest(f"ask for at most {MAX_BARS} bars, each of some time")
    first, last = since // width, (until - 1) // width
    counts: dict[int, tuple[int, int]] = {}
    for bar, traces, failed in _counted(
        db, viewer, asked, (first * width, (last + 1) * width), width
    ):
        was = counts.get(bar, (0, 0))
        counts[bar] = was[0] + traces, was[1] + failed
    return [Bar(bar * width, *counts.get(bar, (0, 0))) for bar in range(first, last + 1)]


def facets(
    db: sqlite3.Connection, asked: Asked | None, dimensions: Sequence[Dimension], limit: int
) -> Facets:
    """Up to `limit` values each."""
    found = [] if asked is None else page(db, asked, Sort(), None, FACETED + 1)
    counted = min(len(found), FACETED)
    ids = msgspec.json.encode([edge.id for edge in found[:FACETED]]).decode()
    parts = " UNION ALL ".join(_part(one) for one in dimensions)
    counts: dict[Dimension, Counter[int]] = {one: Counter() for one in dimensions}
    for dimension, value, times in db.execute(_MET + parts, (ids,)) if parts else ():
        counts[Dimension(dimension)][value] += times
    values = {one: _named(db, one, counts[one], limit) for one in dimensions}
    return Facets(counted, len(found) == counted, values)


def projects(db: sqlite3.Connection, viewer: Viewer) -> list[ProjectRow]:
    """By name. An end user sees those in which they have a trace."""
    if isinstance(viewer, OwnTraces):
        rows = db.execute(
            "SELECT (SELECT name FROM project WHERE id = p.project), count(*), max(p.start)"
            " FROM posting p WHERE dimension = ? AND value = ? GROUP BY p.project ORDER BY 1",
            owner_label(db, viewer),
        )
    else:
        rows = db.execute(
            "SELECT name, traces, (SELECT max(start) FROM trace WHERE project = p.id)"
            " FROM project p ORDER BY 1"
        )
    return [ProjectRow(*row) for row in rows]


def _part(dimension: Dimension) -> str:
    """SQL that counts one dimension's values among `met`."""
    if dimension in _BY_WORD:
        column, posted = _BY_WORD[dimension]
        return (
            f"SELECT '{dimension}', {column}, count(*) FROM met"  # noqa: S608
            f" WHERE labels = '' AND {column} GROUP BY 2"
            f" UNION ALL SELECT '{dimension}', l.value ->> 1, count(*)"
            " FROM met CROSS JOIN json_each(labels) l"
            f" WHERE labels <> '' AND l.value ->> 0 = {posted.value} GROUP BY 2"
        )
    if dimension is Dimension.SPAN_KIND:
        return " UNION ALL ".join(
            f"SELECT '{dimension}', {kind}, coalesce(sum(kinds >> {kind} & 1), 0) FROM met"  # noqa: S608
            for kind in range(len(KINDS))
        )
    column = "name_word" if dimension is Dimension.NAME else dimension.value
    return f"SELECT '{dimension}', {column}, count(*) FROM met GROUP BY 2"  # noqa: S608


def _named(
    db: sqlite3.Connection, dimension: Dimension, counts: Mapping[int, int], limit: int
) -> list[FacetValue]:
    """The most frequent first, equals by name."""
    named: Mapping[int, str]
    if dimension in (Dimension.KIND, Dimension.SPAN_KIND):
        named = dict(enumerate(KINDS))
    elif dimension is Dimension.STATUS:
        named = dict(enumerate(STATUSES))
    else:
        frequent = sorted(counts, key=lambda one: -counts[one])
        named = words_of(db, [one for one in frequent if counts[one] >= _least(counts, limit)])
    found = [FacetValue(named[one], counts[one]) for one in counts if counts[one] and one in named]
    return sorted(found, key=lambda one: (-one.count, one.value))[:limit]


def _least(counts: Mapping[int, int], limit: int) -> int:
    """What a value must reach to be among the first `limit`, equals included."""
    ranked = sorted(counts.values(), reverse=True)
    return ranked[limit - 1] if len(ranked) >= limit else 0


def _from_usage(
    db: sqlite3.Connection, owner: int | None, project: int, span: tuple[int, int], hours: int
) -> Iterator[tuple[int, int, int]]:
    since, until = span[0] // HOUR_US, span[1] // HOUR_US
    table, own = "usage", ""
    values: tuple[int, ...] = (HOUR, ALL, since, until, project)
    if owner is not None:
        table, own, values = "user_usage", " AND user = ? AND own", (*values, owner)
    yield from db.execute(
        f"SELECT bucket / {hours}, sum(traces), sum(failed) FROM {table}"  # noqa: S608
        f" WHERE grain = ? AND call = ? AND bucket >= ? AND bucket < ? AND project = ?{own}"
        " GROUP BY 1",
        values,
    )


def _counted(
    db: sqlite3.Connection, viewer: Viewer, asked: Asked | None, span: tuple[int, int], width: int
) -> Iterator[tuple[int, int, int]]:
    if asked is None:
        return
    since, until = span
    is_own = isinstance(viewer, OwnTraces)
    rest = asked.labels[1:] if is_own else asked.labels
    plain = not rest and not asked.tests and asked.ids is None and not asked.ranges
    if plain and width % HOUR_US == 0:
        owner = asked.labels[0][1] if is_own else None
        for project in asked.projects:
            yield from _from_usage(db, owner, project, span, width // HOUR_US)
        return
    for project in asked.projects:
        source = smallest_source(db, asked, project)
        yield from db.execute(
            f"SELECT t.start / ?, count(*), sum(t.errors > 0) FROM {source.tables}"  # noqa: S608
            f" WHERE {source.where} AND t.start >= ? AND t.start < ? GROUP BY 1",
            (width, *source.values, since, until),
        )
