"""What the watchers of one topic have not read yet: kept once, for all of them.

Rule: of each trace only the newest state is kept, of the traces only the newest so many, and
whoever reads is told how many changes they lost by that. A watcher that reads nothing costs no
more than one that does.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass

from roost.live.frames import Frame

DROPS_MAX = 65_536
"""Beyond so many the count is "at least"."""


@dataclass(frozen=True, slots=True)
class Told:
    """One change of a trace, as the topic's watchers get it."""

    trace_id: str
    position: int
    frame: Frame


class Backlog:
    """A reader keeps `last` as its mark; the marks of different readers are independent, and each
    reads what a queue of its own with `limit` places would hold."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, tuple[int, Told]] = OrderedDict()
        self._dropped: deque[tuple[int, int]] = deque(maxlen=DROPS_MAX)
        self.last = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, told: Told) -> None:
        self.last += 1
        self._kept.pop(told.trace_id, None)
        self._kept[told.trace_id] = (self.last, told)
        if len(self._kept) > self._limit:
            _, (number, oldest) = self._kept.popitem(last=False)
            self._dropped.append((number, oldest.position))

    def after(self, mark: int, floor: int = 0) -> tuple[int, list[Told]]:
        """How many changes were dropped that came after that mark; and the rest, oldest first.
        Changes of positions below `floor` are known to the reader already."""
        lost = 0
        for number, position in reversed(self._dropped):
            if number <= mark:
                break
            lost += position >= floor
        fresh: list[Told] = []
        for number, told in reversed(self._kept.values()):
            if number <= mark:
                break
            if told.position >= floor:
                fresh.append(told)
        fresh.reverse()
        return lost, fresh

    def forget(self) -> None:
        """Everybody has read everything."""
        self._kept.clear()
        self._dropped.clear()
