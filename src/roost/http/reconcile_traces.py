"""Traces that were deleted or moved in Phoenix behind the log.

Rule: a trace counts as deleted once it was certainly sent and settled, and the cell was seen
without it twice, a minute apart. Then a deletion is written into the log, which all readers obey.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from roost.cells.ledger import Ledger
from roost.http.index_desk import IndexDesk
from roost.index.amending import Hand
from roost.index.moves import move
from roost.index.upkeep import Resident, traces_after, traces_there
from roost.ingest.eras import Era, went_on
from roost.ingest.forward import Forward
from roost.log.base import BEGINNING, Position
from roost.log.records import Deletion
from roost.storage.progress import Progress

TRACES_AT_ONCE = 1_000
SLICES_A_LOOK = 10
SUSPECTS_MAX = 10_000
SURE_AFTER_S = 60.0
SUBJECT = "phoenix"
"""Who is named in the deletion: somebody has deleted it there."""


@dataclass(slots=True)
class TraceWalk:
    """`eras` tell which policies held when; what stands at `since` or before was sent to another
    database than the cell's, perhaps, and tells nothing."""

    index: IndexDesk
    forward: Forward
    progress: Progress
    delete: Callable[[Deletion], Awaitable[object]]
    clock: Callable[[], float]
    eras: Sequence[Era] = ()
    since: Position = BEGINNING
    _row: int = 0
    _suspects: dict[bytes, float] = field(default_factory=dict)

    async def look(
        self, ledger: Ledger, is_same_cell: Callable[[], Awaitable[bool]], slices: int
    ) -> None:
        """Goes on by so many slices, or to the end; the next look begins anew then."""
        for _ in range(slices):
            if not await self._look_at_some(ledger):
                break
        await self._judge(ledger, is_same_cell)

    async def _look_at_some(self, ledger: Ledger) -> bool:
        """Whether there are more."""
        settled, after = self.forward.cursor, self._row
        traces = await self.index.read(lambda db: traces_after(db, after, TRACES_AT_ONCE))
        self._row = traces[-1].row if len(traces) == TRACES_AT_ONCE else 0
        sent = [one for one in traces if self._was_sent(one, settled)]
        there = await ledger.projects_of([one.trace_id for one in sent])
        await self._move(sent, there)
        await self._suspect([one.trace_id for one in sent if one.trace_id not in there])
        return bool(self._row)

    def _was_sent(self, trace: Resident, settled: Position) -> bool:
        if trace.first is None or trace.last is None:
            return True
        if trace.first <= self.since or trace.last > settled:
            return False
        ends = trace.first, trace.last
        return went_on(self.eras, trace.trace_id, trace.project, ends, failed=trace.failed)

    async def _move(self, traces: Sequence[Resident], there: Mapping[bytes, str]) -> None:
        moved = [
            (one.trace_id, there[one.trace_id])
            for one in traces
            if one.trace_id in there and there[one.trace_id] != one.project
        ]
        if moved:

            def act(hand: Hand) -> None:
                for trace_id, project in moved:
                    move(hand, trace_id, project)

            await self.index.amend(act)

    async def _suspect(self, missing: Sequence[bytes]) -> None:
        fresh = [one for one in missing if one not in self._suspects]
        if not fresh:
            return
        parked, now = await self._parked(), self.clock()
        room = SUSPECTS_MAX - len(self._suspects)
        self._suspects |= dict.fromkeys([one for one in fresh if one not in parked][:room], now)

    async def _parked(self) -> Collection[bytes]:
        found, after = set[bytes](), 0
        while rows := await self.progress.parked(after):
            after = rows[-1].id
            found.update(row.parking.trace_id for row in rows)
        return found

    async def _judge(self, ledger: Ledger, is_same_cell: Callable[[], Awaitable[bool]]) -> None:
        due = self.clock() - SURE_AFTER_S
        ids = [one for one, since in self._suspects.items() if since <= due][:TRACES_AT_ONCE]
        if not ids:
            return
        back = await ledger.projects_of(ids)
        left = await self.index.read(lambda db: traces_there(db, ids))
        gone = [one for one in ids if one in left and one not in back]
        if gone and not await is_same_cell():
            return
        for one in ids:
            del self._suspects[one]
        if gone:
            named = tuple(one.hex() for one in gone)
            await self.delete(Deletion(traces=named, subject=SUBJECT))
