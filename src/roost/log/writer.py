"""The one that writes a log: commits, and changes the shelf.

Rule: all of it runs on one thread. After a fault the connection is opened anew, and what is
durable is read from the file, never remembered.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roost.errors import Unavailable
from roost.log import segment as files
from roost.log.base import Position
from roost.log.disk import Connection, Disk
from roost.log.faults import told_of
from roost.log.row import Stamped, rows_of
from roost.log.segment import Segment
from roost.log.shelf import Shelf

_BUSY = "The log of this tenant is busy. Try again in a moment."


class Writer:
    """A segment that takes `segment_bytes` is followed by a new one."""

    def __init__(self, shelf: Shelf, disk: Disk, segment_bytes: int) -> None:
        self._shelf = shelf
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._connection: Connection | None = None
        self._at = 0.0

    def open(self, at: float) -> None:
        """`at` is the time now, should the log be new. Raises Damaged."""
        self._shelf.load(at)
        with self._at_work():
            self._connected()

    def commit(self, stamped: list[Stamped]) -> Position:
        """The position of the last, once all are durable; none is there after Unavailable, unless
        the disk kept what it said it did not."""
        with self._at_work():
            connection = self._connected()
            if self._shelf.active.file_bytes >= self._segment_bytes:
                connection = self._begin_next()
            rows = rows_of(stamped, self._shelf.active.last, self._at)
            connection.execute("BEGIN IMMEDIATE").close()
            files.insert(connection, rows)
            connection.execute("COMMIT").close()
            self._at = rows[-1][1]
            self._shelf.measure(Position(rows[-1][0]))
        return self._shelf.active.last

    def seal(self) -> None:
        """All records are in sealed segments then."""
        with self._at_work():
            self._begin_next()

    def trim(self, before: Position) -> None:
        with self._at_work():
            if self._shelf.active.last < before:
                self._begin_next()
            while len(self._shelf.segments) > 1 and self._shelf.segments[0].last < before:
                self._shelf.drop_oldest()

    def put_in_place(self, segment: Segment, rewritten: Path) -> bool:
        with told_of(segment.path):
            return self._shelf.put_in_place(segment, rewritten)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        try:
            with told_of(self._shelf.active.path):
                yield
        except Unavailable:
            self.close()
            raise

    def _connected(self) -> Connection:
        """Its name is durable from here on, and what is in it is known."""
        if self._connection is None:
            active = self._shelf.active
            self._shelf.sync()
            self._connection = files.open_to_write(self._disk, active.path)
            head = files.head(self._connection, active.path)
            self._at = head.at
            self._shelf.measure(head.last)
        return self._connection

    def _begin_next(self) -> Connection:
        """Seal the active segment, unless it is empty, and go on in a new one."""
        connection, active = self._connected(), self._shelf.active
        if active.is_empty:
            return connection
        if not files.checkpoint(connection):
            raise Unavailable(_BUSY, reason=f"{active.path}: readers keep it from being sealed")
        self.close()
        self._shelf.measure(active.last)
        self._shelf.begin(active.last, self._at)
        return self._connected()
