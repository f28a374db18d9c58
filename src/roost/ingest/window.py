"""What a cell has accepted and not yet stored, and how far the log is settled thereby.

Rule 1: pure; times are handed in. Rule 2: a cell stores in the order in which it accepts; so a span
is lost only where one that was first sent after it is stored, or where none is stored any more.
Rule 3: a position is settled when each of its spans is, and all
positions before it are: the cursor never passes a span that is only in Phoenix's memory.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf

from roost.log.base import Position


@dataclass(frozen=True, slots=True)
class Place:
    """A span, where it stands in the log, and the position that is not settled `under` it: its own,
    or a later one that brought it along."""

    position: Position
    ordinal: int
    trace_id: bytes
    span_id: bytes
    project: str
    under: Position


@dataclass(slots=True)
class Waiting:
    """A span that was sent `tries` times, last at `sent_at`; `number` grows with each sending, and
    was `first` with the first. `places` are all copies of it that the log holds."""

    places: list[Place]
    first: int
    number: int
    sent_at: float
    tries: int = 1

    @property
    def place(self) -> Place:
        return self.places[0]


@dataclass(slots=True)
class Window:
    """`cursor` is the position that was settled when it began."""

    cursor: Position
    _waiting: dict[bytes, Waiting] = field(default_factory=dict)
    _order: deque[Position] = field(default_factory=deque)
    _left: dict[Position, int] = field(default_factory=dict)
    _number: int = 0
    _stored_number: int = 0
    _moved_at: float = -inf

    def __len__(self) -> int:
        """Spans that wait to be stored."""
        return len(self._waiting)

    def open(self, position: Position) -> None:
        """A record is being dealt with; it is not settled before `close`."""
        self._order.append(position)
        self._left[position] = 1

    def close(self, position: Position) -> None:
        """All of it is sent, or needs no sending."""
        self._settle_one(position)

    def is_crossed_by(self, places: Sequence[Place]) -> bool:
        """Some of them are of a trace that waits under another project. Phoenix may begin a later
        batch before it is through with an earlier one, and the first span says the project."""
        projects = {place.trace_id: place.project for place in places}
        return any(
            projects.get(one.place.trace_id, one.place.project) != one.place.project
            for one in self._waiting.values()
        )

    def send(self, places: Sequence[Place], now: float) -> list[Place]:
        """The spans were accepted. Those of them whose id waits under another trace: the cell
        keeps the first and drops these."""
        clashes = []
        for place in places:
            known = self._waiting.get(place.span_id)
            if known is not None and known.place.trace_id != place.trace_id:
                clashes.append(place)
                continue
            self._left[place.under] += 1
            if known is not None:
                known.places.append(place)
                continue
            self._number += 1
            self._waiting[place.span_id] = Waiting([place], self._number, self._number, now)
        return clashes

    def oldest(self, count: int) -> list[Waiting]:
        return list(islice(self._waiting.values(), count))

    def stored(self, found: Mapping[bytes, bytes], now: float) -> tuple[int, list[Place]]:
        """The cell holds these span ids, each under that trace: how many places are confirmed, and
        which cannot be, since the id belongs to another trace there."""
        confirmed, clashes = 0, []
        for span_id, trace_id in found.items():
            one = self._waiting.pop(span_id, None)
            if one is None:
                continue
            # Of several sendings it may have been the first that arrived.
            self._stored_number = max(self._stored_number, one.first)
            self._moved_at = now
            if one.place.trace_id == trace_id:
                confirmed += len(one.places)
            else:
                clashes += one.places
            self._release(one.places)
        return confirmed, clashes

    def overtaken(self, asked: Iterable[Waiting], before: float) -> list[Waiting]:
        """Those of `asked` that will not come: they were sent before that time, and what was sent
        after them is stored."""
        return [
            one
            for one in asked
            if one.place.span_id in self._waiting
            and one.number < self._stored_number
            and one.sent_at < before
        ]

    def is_stalled(self, since: float) -> bool:
        """Spans wait, and since that time none was stored."""
        oldest = next(iter(self._waiting.values()), None)
        return oldest is not None and max(oldest.sent_at, self._moved_at) < since

    def wait_on(self, now: float) -> None:
        """It is not stalled before as much time has gone by again."""
        self._moved_at = now

    def again(self, waiting: Iterable[Waiting], now: float, *, counts: bool) -> None:
        """They were sent once more; where that does not count, to a cell that did not take them."""
        for one in waiting:
            del self._waiting[one.place.span_id]
            self._number += 1
            one.number, one.sent_at, one.tries = self._number, now, one.tries + counts
            self._waiting[one.place.span_id] = one

    def give_up(self, one: Waiting) -> list[Place]:
        """It waits no longer; its places are settled."""
        del self._waiting[one.place.span_id]
        self._release(one.places)
        return one.places

    def settled(self) -> Position:
        """The last position up to which everything is settled."""
        while self._order and self._order[0] not in self._left:
            self.cursor = self._order.popleft()
        return self.cursor

    def _release(self, places: Iterable[Place]) -> None:
        for place in places:
            self._settle_one(place.under)

    def _settle_one(self, position: Position) -> None:
        self._left[position] -= 1
        if not self._left[position]:
            del self._left[position]
