"""Which span ends the cell, where it ends again and again.

Rule: pure. A span is suspected only where the cell has ended while it held that one alone, and no
longer once the cell has stored it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Doubt:
    """Remembered from one connection to the next. After `careful_after` ends of the cell without
    any progress, spans are to be given to it one at a time."""

    careful_after: int
    _deaths: int = 0
    _suspects: dict[bytes, int] = field(default_factory=dict)
    _given: bytes = b""

    @property
    def is_careful(self) -> bool:
        return self._deaths >= self.careful_after

    def give(self, span_ids: Sequence[bytes]) -> None:
        """The cell is about to get these; none at the end of a connection."""
        is_single = self.is_careful and len(span_ids) == 1
        self._given = span_ids[0] if is_single else b""

    def clear(self, stored: Iterable[bytes]) -> None:
        for span_id in stored:
            self._suspects.pop(span_id, None)
            if span_id == self._given:
                self._given = b""

    def died(self) -> None:
        """The cell has ended, and what was given to it is not stored."""
        self._deaths += 1
        if self._given:
            self._suspects[self._given] = self._suspects.get(self._given, 0) + 1

    def progressed(self) -> None:
        """Something was settled: the cell is not as bad as that."""
        self._deaths = 0

    def is_deadly(self, span_ids: Sequence[bytes], times: int) -> bool:
        """The cell has ended so often by that single span."""
        return len(span_ids) == 1 and self._suspects.get(span_ids[0], 0) >= times
