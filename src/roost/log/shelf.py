"""The segments of one log, in order, as they stand in its directory.

Rule 1: there is always a newest one, whose name says where positions go on; so they never restart.
Rule 2: a file gets its name when it is whole, and a name is durable before anything relies on it.
Rule 3: one thread changes the shelf; `segments` is a value that any thread may look at.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from roost.log import segment as files
from roost.log.base import BEGINNING, Damaged, Extent, Position
from roost.log.disk import Disk
from roost.log.faults import damaged, told_of
from roost.log.segment import SUFFIX, UNFINISHED, Segment, path_of, side_files


class Shelf:
    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk
        self.segments: tuple[Segment, ...] = ()

    @property
    def active(self) -> Segment:
        return self.segments[-1]

    @property
    def extent(self) -> Extent:
        segments = self.segments
        stored_bytes = sum(segment.file_bytes for segment in segments)
        return Extent(segments[0].first, segments[-1].last, stored_bytes)

    def beginning_with(self, first: Position) -> Segment | None:
        return next((one for one in self.segments if one.first == first), None)

    def load(self, at: float) -> None:
        """Reads the directory and mends what a crash left there. Damaged names every segment that
        is not whole."""
        with told_of(self._directory):
            self._make_directory()
            self._clear_leftovers()
            paths = [self._directory / name for name in self._names() if name.endswith(SUFFIX)]
        if not paths:
            self.begin(BEGINNING, at)
            return
        found = [self._examined(path, is_last=path == paths[-1]) for path in paths]
        faults = [one for one in found if isinstance(one, Damaged)]
        whole = [one for one in found if isinstance(one, Segment)]
        _refuse(faults or _gaps(whole))
        self.segments = tuple(whole)

    def begin(self, after: Position, at: float) -> None:
        """Put a new segment on the shelf, for the records behind `after`. Its name is not durable
        before `sync`."""
        first = Position(after + 1)
        path = path_of(self._directory, first)
        unfinished = path.with_suffix(UNFINISHED)
        self._discard(unfinished)
        files.create(self._disk, unfinished, first, at)
        files.open_to_write(self._disk, unfinished).close()
        for segment in self.segments[-1:]:
            self.drop_side_files(segment)
        self._disk.rename(unfinished, path)
        sealed = tuple(replace(segment, sealed=True) for segment in self.segments)
        self.segments = (*sealed, Segment(path, first, after, 0, sealed=False))
        self.measure(after)

    def sync(self) -> None:
        self._disk.sync_directory(self._directory)

    def measure(self, last: Position) -> None:
        """The active segment ends with `last` now."""
        size_bytes = files.file_bytes(self._disk, self.active.path)
        grown = replace(self.active, last=last, file_bytes=size_bytes)
        self.segments = (*self.segments[:-1], grown)

    def drop_oldest(self) -> None:
        """Its main file goes first and durably: without it the others are nothing."""
        oldest = self.segments[0]
        self._disk.unlink(oldest.path)
        self.sync()
        self.segments = self.segments[1:]
        self.drop_side_files(oldest)

    def drop_side_files(self, segment: Segment) -> None:
        for path in side_files(segment.path):
            self._disk.unlink(path)

    def put_in_place(self, segment: Segment, rewritten: Path) -> bool:
        """Let `rewritten` stand for a sealed segment; False where that one was replaced or dropped
        meanwhile. An old WAL must not meet the new file, not even after a crash."""
        if segment not in self.segments:
            self._discard(rewritten)
            return False
        self.drop_side_files(segment)
        self.sync()
        self._disk.rename(rewritten, segment.path)
        self.sync()
        new = files.replaced(segment, files.file_bytes(self._disk, segment.path))
        self.segments = tuple(new if one is segment else one for one in self.segments)
        return True

    def _make_directory(self) -> None:
        """A name that is new must be durable all the way up, or the log is lost with it."""
        missing = [
            path for path in (self._directory, *self._directory.parents) if not path.exists()
        ]
        for path in reversed(missing):
            path.mkdir(mode=0o700)
            self._disk.sync_directory(path.parent)

    def _names(self) -> list[str]:
        return self._disk.names(self._directory)

    def _clear_leftovers(self) -> None:
        """Segments that were not finished, and what is left of those that were dropped."""
        names = self._names()
        for name in names:
            if UNFINISHED in name or _is_orphan(name, names):
                self._disk.unlink(self._directory / name)

    def _discard(self, unfinished: Path) -> None:
        for path in (unfinished, *side_files(unfinished)):
            self._disk.unlink(path)

    def _examined(self, path: Path, *, is_last: bool) -> Segment | Damaged:
        try:
            with told_of(path):
                if any(self._disk.size_bytes(beside) for beside in side_files(path)):
                    files.recover(self._disk, path)
                head = files.head_of(self._disk, path)
        except Damaged as error:
            return error
        size_bytes = files.file_bytes(self._disk, path)
        return Segment(path, head.first, head.last, size_bytes, sealed=not is_last)


def _is_orphan(name: str, names: Sequence[str]) -> bool:
    database, dash, _ = name.rpartition("-")
    return bool(dash) and database.endswith(SUFFIX) and database not in names


def _gaps(segments: Sequence[Segment]) -> list[Damaged]:
    return [
        damaged(after.path, f"records {before.last + 1} to {after.first - 1} in front of it miss")
        for before, after in pairwise(segments)
        if after.first != before.last + 1
    ]


def _refuse(faults: Sequence[Damaged]) -> None:
    if faults:
        raise Damaged(
            " ".join(fault.message for fault in faults),
            reason="; ".join(fault.reason for fault in faults),
            retry_after_s=faults[0].retry_after_s,
        )
