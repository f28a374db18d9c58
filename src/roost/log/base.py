"""The durable log of one home: what a client was told 200 for stands here first.

Rule 1: an append returns once its records survive the loss of power; before that nobody is told
anything. Rule 2: positions grow by one and are never given twice, not after a trim, not after a
restart. Rule 3: readers keep their own cursors; the log knows none of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, Protocol

from roost.errors import Unavailable

Position = NewType("Position", int)
"""1, 2, 3, …; 0 stands before the first record."""

BEGINNING = Position(0)


class Kind(StrEnum):
    """What a record's body is; `log.records` reads and writes each."""

    SPANS = "spans"
    ANNOTATIONS = "annotations"
    DELETION = "deletion"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is appended."""

    kind: Kind
    body: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """An entry in its place. `at` is when it was taken, in seconds since the epoch; it never
    decreases from one record to the next."""

    position: Position
    at: float
    kind: Kind
    body: bytes


@dataclass(frozen=True, slots=True)
class Extent:
    """`first` is the oldest record that is still there (`last + 1` where none is), `last` the
    newest durable one, `stored_bytes` what all of it takes."""

    first: Position
    last: Position
    stored_bytes: int


class Damaged(Unavailable):
    """What was durable can't be read any more; the message names the piece. Waiting mends nothing:
    the log stays as it is until someone puts the piece back."""

    title = "The log is damaged"


class Log(Protocol):
    """One suite of tests runs on each implementation. It is used from one event loop.

    Whatever is asked of it raises Unavailable where disk or database do not answer, or once it is
    closed.
    """

    @property
    def extent(self) -> Extent: ...

    async def append(self, entries: Sequence[Entry]) -> Position:
        """The position of the last of them; all are durable, in this order and without others
        between them, or none is there.

        Unavailable where they cannot be taken now: over the quota (429), too much waiting, no room
        on the disk (503). Deletions are taken over the quota too. What was refused because the
        disk or the database failed in the middle may still turn out to be there.
        """

    async def read(self, after: Position, limit_bytes: int) -> Sequence[Record]:
        """The records that follow, in order, up to about that many bytes of bodies; at least one
        where there is one. Starts at the oldest that is there where `after` was trimmed."""

    async def get(self, positions: Sequence[Position]) -> Mapping[Position, Record]:
        """Those of them that are still there."""

    async def wait(self, after: Position) -> None:
        """Returns once there is a record behind `after`."""

    async def erase(self, bodies: Mapping[Position, bytes]) -> None:
        """Put other bodies (b"" for none) in place of those; once this returns the old ones are in
        none of the log's files any more."""

    async def trim(self, before: Position) -> None:
        """Let go of records in front of that position, in whole pieces: some may stay. Where all
        may go, all go."""

    async def aclose(self) -> None:
        """What was taken is made durable first; who waits gets Unavailable."""
