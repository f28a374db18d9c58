"""What an open home does for itself: keeps traces as long as they are to be kept, erases, trims.

It builds from the home's parts and decides nothing.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from roost.http.home import Home
from roost.http.index_desk import IndexDesk
from roost.index import upkeep as asked
from roost.index.amending import bury
from roost.ingest.erasing import Deletions, Erasing, Gone
from roost.ingest.retention import DAY_S, Retention
from roost.ingest.trimming import Keep, Trimming
from roost.ingest.upkeep import Chore
from roost.log.base import BEGINNING, Position
from roost.log.records import annotations_of
from roost.policy.forwarding import Choice, ForwardPolicy
from roost.storage.marks import Marks

HOUR_S = 3_600.0
TRIM_EVERY_S = 300.0
FIRST_S = 60.0


@dataclass(frozen=True, slots=True)
class UpkeepTerms:
    """`retention_days` of 0 is for ever. `keep_bytes` of the log are kept, which goes in pieces of
    about `piece_bytes`."""

    retention_days: int = 0
    keep_bytes: int = 1024 * 2**20
    piece_bytes: int = 256 * 2**20


async def remember_deletions(index: IndexDesk, marks: Marks) -> None:
    """To an index that begins anew: the log may have let go of what said so."""
    if index.cursor == BEGINNING:
        async for page in marks.deleted():
            await index.amend(lambda hand, page=page: bury(hand, page))  # type: ignore[misc]


def chores_of(
    home: Home,
    marks: Marks,
    policies: Mapping[str, ForwardPolicy],
    terms: UpkeepTerms,
    clock: Callable[[], float],
) -> list[Chore]:
    upkeep = Upkeep(home, marks)
    retention = Retention(terms.retention_days, upkeep.oldest, home.delete, clock)
    keep = Keep(
        terms.keep_bytes,
        terms.piece_bytes,
        all(one.choice is Choice.ALL for one in policies.values()),
        terms.retention_days * DAY_S,
    )
    trimming = Trimming(home.log, keep, upkeep.settled, clock)
    return [
        Chore("retention", retention.run_once, HOUR_S, FIRST_S),
        Chore("erasing", upkeep.erasing().run_once, HOUR_S, 2 * FIRST_S),
        Chore("trimming", trimming.run_once, TRIM_EVERY_S, FIRST_S),
    ]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Answers what the chores ask."""

    home: Home
    marks: Marks

    def settled(self) -> Position:
        """The last position that all readers are through with."""
        return min(self.home.forward.cursor, self.home.index.cursor)

    async def oldest(self) -> list[tuple[str, float]]:
        return await self.home.index.read(asked.oldest_by_project)

    def erasing(self) -> Erasing:
        index = self.home.index
        return Erasing(
            self.home.log,
            self.settled,
            lambda: index.cursor,
            self.deletions,
            self.gone,
            self.marks.get,
            self.marks.put,
            self.tidy,
        )

    async def deletions(self) -> Deletions:
        by_id = await self.marks.newest_deletion()
        by_trace = await self.home.index.read(asked.newest_removal)
        late = (await self.home.progress.settled()).deleted
        return Deletions(Position(max(by_id, by_trace)), late)

    def gone(self, trace_ids: Collection[bytes], span_ids: Collection[bytes]) -> Gone:
        return self.home.index.index.read(
            lambda db: Gone(asked.gone_traces(db, trace_ids), asked.gone_spans(db, span_ids))
        )

    async def tidy(self) -> None:
        """Annotations that wait for something that was deleted wait for ever; the index's file
        holds words of it still."""
        progress, after = self.home.progress, 0
        while rows := await progress.waiting(after):
            after = rows[-1][0]
            targets = {number: _target(body) for number, body in rows}
            ids = {target for target in targets.values() if target}
            buried = await progress.buried(ids)
            await progress.stop_waiting([n for n, target in targets.items() if target in buried])
        await self.home.index.sweep()


def _target(body: bytes) -> bytes:
    """b"" where it is no id."""
    (one,) = annotations_of(body)
    try:
        return b"" if one.of == "session" else bytes.fromhex(one.target)
    except ValueError:
        return b""
