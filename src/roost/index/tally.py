"""What a transaction adds to the usage tables, and takes from them.

Rule: everything is a whole number that is added with a sign, so that a deletion leaves what would
be there had the span never come; a row of nothing but zeros is removed.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable

from roost.index import sketch
from roost.index.trace_state import ERROR, SpanRow, TraceRecord, is_unpriced
from roost.index.words import NONE

HOUR_US = 3_600_000_000
DAY_HOURS = 24
HOUR, DAY = 0, 1
ALL, CALL = 0, 1

COUNTS = (
    "spans", "errors", "traces", "failed", "prompt", "completion", "cached", "reasoning", "cost",
    "unpriced",
)  # fmt: skip
_SKETCH = len(COUNTS)
_COLUMNS = ", ".join((*COUNTS, "sketch"))
_KEY = ("grain", "call", "bucket", "project", "model", "provider")
_USER_KEY = ("grain", "call", "bucket", "user", "project", "model", "provider", "own")
_WIDTH = _SKETCH + 1

Counts = list[int]
_Key = tuple[int, ...]


def _zeros() -> Counts:
    return [0] * _WIDTH


class Tally:
    """`user` is the first user of the span's trace; `own`, whether they may see it."""

    def __init__(self) -> None:
        self._counts: defaultdict[_Key, Counts] = defaultdict(_zeros)
        """By hour, project, model, provider, user, own; the sketch is of calls."""
        self._traces: defaultdict[_Key, Counts] = defaultdict(_zeros)
        """By hour, project, user, own; the sketch is of traces."""

    def add_span(self, span: SpanRow, trace: TraceRecord, sign: int = 1) -> None:
        model = span.model
        key = (
            span.start // HOUR_US, trace.project, model, span.provider if model else NONE,
            trace.user, int(trace.owner != NONE),
        )  # fmt: skip
        counts = self._counts[key]
        counts[0] += sign
        if span.status == ERROR:
            counts[1] += sign
        if span.prompt is not None:
            counts[4] += sign * span.prompt
            counts[5] += sign * (span.completion or 0)
            counts[6] += sign * (span.cached or 0)
            counts[7] += sign * (span.reasoning or 0)
            counts[8] += sign * (span.cost or 0)
            counts[9] += sign * is_unpriced(span)
        if model:
            counts[_SKETCH] += sign * sketch.one(span.end - span.start)

    def add_trace(self, trace: TraceRecord, sign: int = 1) -> None:
        own = int(trace.owner != NONE)
        counts = self._traces[trace.start // HOUR_US, trace.project, trace.user, own]
        counts[2] += sign
        counts[3] += sign * (trace.errors > 0)
        counts[_SKETCH] += sign * sketch.one(trace.latency)

    def write(self, db: sqlite3.Connection) -> None:
        whole: defaultdict[_Key, Counts] = defaultdict(_zeros)
        users: defaultdict[_Key, Counts] = defaultdict(_zeros)
        for (hour, project, model, provider, user, own), counts in self._counts.items():
            plain = [*counts[:_SKETCH], sketch.EMPTY]
            for grain, bucket in ((HOUR, hour), (DAY, hour // DAY_HOURS)):
                everything = (grain, ALL, bucket, project, NONE, NONE)
                _add(whole[everything], plain)
                _add(users[grain, ALL, bucket, user, project, NONE, NONE, own], plain)
                if model:
                    call = (grain, CALL, bucket, project, model, provider)
                    _add(whole[call], counts)
                    _add(users[grain, CALL, bucket, user, project, model, provider, own], counts)
        for (hour, project, user, own), counts in self._traces.items():
            for grain, bucket in ((HOUR, hour), (DAY, hour // DAY_HOURS)):
                everything = (grain, ALL, bucket, project, NONE, NONE)
                _add(whole[everything], counts)
                _add(users[grain, ALL, bucket, user, project, NONE, NONE, own], counts)
        _write_table(db, "usage", _KEY, whole.items())
        _write_table(db, "user_usage", _USER_KEY, users.items())


def _add(into: Counts, counts: Counts) -> None:
    for at, count in enumerate(counts):
        if count:
            into[at] += count


def _write_table(
    db: sqlite3.Connection, table: str, key: tuple[str, ...], changes: Iterable[tuple[_Key, Counts]]
) -> None:
    where = " AND ".join(f"{column} = ?" for column in key)
    select = f"SELECT {_COLUMNS} FROM {table} WHERE {where}"  # noqa: S608 - names of columns
    written: list[tuple[int | bytes, ...]] = []
    emptied: list[_Key] = []
    for at, counts in changes:
        if not any(counts):
            continue
        if (row := db.execute(select, at).fetchone()) is not None:
            _add(counts, [*row[:_SKETCH], sketch.unpacked(row[_SKETCH])])
        if any(counts):
            written.append((*at, *counts[:_SKETCH], sketch.packed(counts[_SKETCH])))
        else:
            emptied.append(at)
    marks = ", ".join("?" * (len(key) + _WIDTH))
    db.executemany(
        f"INSERT OR REPLACE INTO {table} ({', '.join(key)}, {_COLUMNS}) VALUES ({marks})",  # noqa: S608
        written,
    )
    db.executemany(f"DELETE FROM {table} WHERE {where}", emptied)  # noqa: S608
