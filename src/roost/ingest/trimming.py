"""How much of the log is kept once everybody has read it.

Rule 1: never anything that a reader has still to read. Rule 2: where a policy keeps spans from
Phoenix, the log is the only place that has their bodies, so nothing goes before retention has
deleted it. Rule 3: what is left is never less than what shall be kept.
"""

from collections.abc import Callable
from dataclasses import dataclass

from roost.log.base import Log, Position

_STEPS = 64


@dataclass(frozen=True, slots=True)
class Keep:
    """`bytes` of settled records are kept; a log goes in pieces of `piece_bytes`. `all_forwarded`:
    no policy keeps anything from Phoenix. `retention_s` of 0 is for ever."""

    bytes: int
    piece_bytes: int
    all_forwarded: bool
    retention_s: float

    def can_spare(self, stored_bytes: int) -> bool:
        """A whole piece may go.

        >>> keep = Keep(bytes=100, piece_bytes=50, all_forwarded=True, retention_s=0)
        >>> keep.can_spare(149), keep.can_spare(150)
        (False, True)
        """
        return stored_bytes - self.piece_bytes >= self.bytes

    @property
    def is_for_ever(self) -> bool:
        return not self.all_forwarded and not self.retention_s


@dataclass(frozen=True, slots=True)
class Trimming:
    """`settled` is the last position that all readers are through with."""

    log: Log
    keep: Keep
    settled: Callable[[], Position]
    clock: Callable[[], float]

    async def run_once(self) -> None:
        if self.keep.is_for_ever or not self.keep.can_spare(self.log.extent.stored_bytes):
            return
        before = Position(self.settled() + 1)
        if not self.keep.all_forwarded:
            kept = await first_since(self.log, self.clock() - self.keep.retention_s)
            before = min(before, kept)
        await self._trim(before)

    async def _trim(self, before: Position) -> None:
        """Little by little: how much lies in front of a position only the trimming tells."""
        first = self.log.extent.first
        for step in range(1, _STEPS + 1):
            if not self.keep.can_spare(self.log.extent.stored_bytes):
                return
            await self.log.trim(Position(first + (before - first) * step // _STEPS))


async def first_since(log: Log, at: float) -> Position:
    """The oldest record that was taken at that time or later; one behind the end where none was."""
    low, high = log.extent.first, Position(log.extent.last + 1)
    while low < high:
        middle = Position((low + high) // 2)
        found = await log.read(Position(middle - 1), 1)
        if found and found[0].at < at:
            low = Position(found[0].position + 1)
        else:
            high = middle
    return low
