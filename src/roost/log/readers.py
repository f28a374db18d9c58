"""Reads from the segments, on any thread, with a few connections of their own.

Rule 1: a read takes the shelf as it stands and never waits for the writer. Rule 2: a record that
should be there and is not is damage, and is never passed over.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TypeVar

from roost.errors import Unavailable
from roost.log import segment as files
from roost.log.base import Position, Record
from roost.log.disk import Connection, Disk
from roost.log.faults import damaged, told_of
from roost.log.row import record_of
from roost.log.segment import Segment
from roost.log.shelf import Shelf

T = TypeVar("T")
_Key = tuple[str, int]
_CACHE_KIBIBYTES = 256


class Readers:
    """`kept` connections stay open between two reads."""

    def __init__(self, shelf: Shelf, disk: Disk, kept: int) -> None:
        self._shelf = shelf
        self._disk = disk
        self._kept = kept
        self._idle: list[tuple[_Key, Connection]] = []
        self._lock = threading.Lock()

    def read(self, after: Position, limit_bytes: int) -> list[Record]:
        """At least one where there is one behind `after`."""
        records: list[Record] = []
        left_bytes = limit_bytes
        while (left_bytes > 0 or not records) and (segment := self._behind(after)) is not None:
            found = self._from(segment, _reading(segment, after, left_bytes)) or []
            records += found
            left_bytes -= sum(len(record.body) for record in found)
            after = records[-1].position if records else after
        return records

    def get(self, positions: Sequence[Position]) -> Mapping[Position, Record]:
        wanted = sorted(set(positions))
        found: dict[Position, Record] = {}
        for segment in self._shelf.segments:
            here = wanted[bisect_left(wanted, segment.first) : bisect_right(wanted, segment.last)]
            if here:
                records = self._from(segment, _getting(segment, here)) or []
                found.update((record.position, record) for record in records)
        return found

    def forget_stale(self) -> None:
        """Let go of files that are not on the shelf any more."""
        on_shelf = {_key(segment) for segment in self._shelf.segments}
        self._retain(lambda key: key in on_shelf)

    def close(self) -> None:
        self._retain(lambda key: False)

    def _behind(self, after: Position) -> Segment | None:
        """The segment that holds the next record."""
        segments = self._shelf.segments
        place = bisect_right(segments, after, key=lambda segment: segment.last)
        if place == len(segments) or segments[place].is_empty:
            return None
        return segments[place]

    def _from(self, segment: Segment, act: Callable[[Connection], T]) -> T | None:
        """None where the segment was dropped meanwhile."""
        try:
            with told_of(segment.path), self._connection(segment) as connection:
                return act(connection)
        except Unavailable:
            if segment.first < self._shelf.segments[0].first:
                return None
            raise

    @contextmanager
    def _connection(self, segment: Segment) -> Iterator[Connection]:
        """Closed, not kept, where the block raises."""
        key = _key(segment)
        connection = self._taken(key)
        if connection is None:
            connection = self._disk.connect(segment.uri)
        try:
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIBIBYTES}").close()
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append((key, connection))
        self.forget_stale()

    def _taken(self, key: _Key) -> Connection | None:
        with self._lock:
            for place, (of, connection) in enumerate(self._idle):
                if of == key:
                    del self._idle[place]
                    return connection
        return None

    def _retain(self, is_wanted: Callable[[_Key], bool]) -> None:
        """Keep those that were used last, of the wanted ones."""
        with self._lock:
            idle = self._idle
            self._idle = [one for one in idle if is_wanted(one[0])][-self._kept :]
            closed = [one for one in idle if one not in self._idle]
        for _, connection in closed:
            connection.close()


def _key(segment: Segment) -> _Key:
    return (segment.uri, segment.edition)


def _reading(
    segment: Segment, after: Position, limit_bytes: int
) -> Callable[[Connection], list[Record]]:
    def act(connection: Connection) -> list[Record]:
        expected, left_bytes = max(after + 1, segment.first), limit_bytes
        records: list[Record] = []
        with closing(files.rows_between(connection, Position(expected - 1), segment.last)) as rows:
            for row in rows:
                if row[0] != expected:
                    break
                records.append(record_of(row))
                expected += 1
                left_bytes -= len(records[-1].body)
                if left_bytes <= 0:
                    return records
        if expected <= segment.last:
            raise damaged(segment.path, f"record {expected} is missing")
        return records

    return act


def _getting(
    segment: Segment, positions: Sequence[Position]
) -> Callable[[Connection], list[Record]]:
    def act(connection: Connection) -> list[Record]:
        records = []
        for position in positions:
            row = files.row_at(connection, position)
            if row is None:
                raise damaged(segment.path, f"record {position} is missing")
            records.append(record_of(row))
        return records

    return act
