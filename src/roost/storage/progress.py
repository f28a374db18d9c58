"""How far `forward` is in one home, and what was deleted there.

Rule: the cursor, what it settles and what it parks change in one transaction: after a crash a span
is settled once, or is sent again.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine

from roost.storage.engine import HOME, open_database
from roost.storage.home_tables import (
    emptied,
    erasing,
    facts,
    parked,
    progress,
    tombstones,
    waiting,
)

_FIRST = {"id": 1, "cursor": 0, "confirmed": 0, "skipped": 0, "deleted": 0}
_IDS_AT_ONCE = 500
_NOT_YET = 0
"""The position of a tombstone whose deletion does not stand in the log yet."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Spans that are settled, by how."""

    confirmed: int = 0
    skipped: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Parking:
    """A span that the cell does not take: its place in the log, and why."""

    position: int
    ordinal: int
    trace_id: bytes
    span_id: bytes
    project: str
    reason: str


@dataclass(frozen=True, slots=True)
class Parked:
    id: int
    parking: Parking
    parked_at: float


@dataclass(frozen=True, slots=True)
class Emptied:
    """What the project held at `position` is gone; with `before` (seconds since the epoch) only
    traces that began sooner."""

    project: str
    position: int
    before: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """`engine` is the home's own database."""

    engine: AsyncEngine
    clock: Callable[[], float]

    async def epoch(self) -> str:
        """A name of this home's life; a home that is made anew has another."""
        made = upsert(facts).values(name="epoch", value=secrets.token_hex(8))
        async with self.engine.begin() as connection:
            await connection.execute(made.on_conflict_do_nothing())
            found = select(facts.c.value).where(facts.c.name == "epoch")
            return str((await connection.execute(found)).scalar_one())

    async def cursor(self) -> int:
        """The position up to which every record is settled."""
        async with self.engine.connect() as connection:
            found = await connection.execute(select(progress.c.cursor))
            return int(found.scalar_one_or_none() or 0)

    async def settled(self) -> Settled:
        async with self.engine.connect() as connection:
            row = (await connection.execute(select(progress))).one_or_none()
        return Settled(row.confirmed, row.skipped, row.deleted) if row else Settled()

    async def settle(self, cursor: int, settled: Settled, parkings: Sequence[Parking] = ()) -> None:
        """Move the cursor; what is parked before it stays parked."""
        now = self.clock()
        rows = [{**_row(one), "parked_at": now} for one in parkings]
        async with self.engine.begin() as connection:
            await connection.execute(upsert(progress).values(_FIRST).on_conflict_do_nothing())
            await connection.execute(
                update(progress).values(
                    cursor=cursor,
                    confirmed=progress.c.confirmed + settled.confirmed,
                    skipped=progress.c.skipped + settled.skipped,
                    deleted=progress.c.deleted + settled.deleted,
                )
            )
            if rows:
                await connection.execute(upsert(parked).on_conflict_do_nothing(), rows)

    async def parked(self, after: int = 0, limit: int = 100) -> list[Parked]:
        query = select(parked).where(parked.c.id > after).order_by(parked.c.id).limit(limit)
        async with self.engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Parked(
                row.id,
                Parking(
                    row.position, row.ordinal, row.trace_id, row.span_id, row.project, row.reason
                ),
                row.parked_at,
            )
            for row in rows
        ]

    async def parked_count(self) -> int:
        return await self._count(parked)

    async def waiting_count(self) -> int:
        return await self._count(waiting)

    async def _count(self, table: Table) -> int:
        query = select(func.count()).select_from(table)
        async with self.engine.connect() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def unpark(self, ids: Collection[int]) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(delete(parked).where(parked.c.id.in_(ids)))

    async def keep_waiting(self, position: int, bodies: Sequence[bytes]) -> None:
        """These annotations wait for their target."""
        since = self.clock()
        rows = [{"position": position, "body": body, "since": since} for body in bodies]
        if rows:
            async with self.engine.begin() as connection:
                await connection.execute(insert(waiting), rows)

    async def waiting(self, after: int = 0, limit: int = 200) -> list[tuple[int, bytes]]:
        """(id, body), oldest first."""
        query = select(waiting).where(waiting.c.id > after).order_by(waiting.c.id).limit(limit)
        async with self.engine.connect() as connection:
            return [(row.id, row.body) for row in (await connection.execute(query)).all()]

    async def stop_waiting(self, ids: Collection[int]) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(delete(waiting).where(waiting.c.id.in_(ids)))

    async def bury(self, ids: Collection[bytes], position: int) -> None:
        """These traces and spans are deleted, for ever."""
        rows = [{"id": one, "position": position} for one in ids]
        if rows:
            made = upsert(tombstones)
            kept = made.on_conflict_do_update(
                index_elements=["id"],
                set_={"position": made.excluded.position},
                where=tombstones.c.position == _NOT_YET,
            )
            async with self.engine.begin() as connection:
                await connection.execute(kept, rows)

    async def begin_erasing(self, ids: Collection[bytes], body: bytes) -> int:
        """Hold back these traces and spans; `body` says what is being deleted."""
        rows = [{"id": one, "position": _NOT_YET} for one in ids]
        async with self.engine.begin() as connection:
            if rows:
                await connection.execute(upsert(tombstones).on_conflict_do_nothing(), rows)
            made = insert(erasing).values(body=body, since=self.clock()).returning(erasing.c.id)
            return int((await connection.execute(made)).scalar_one())

    async def erasing(self, before: float) -> list[tuple[int, bytes]]:
        """(id, body) of what was begun before that time."""
        query = select(erasing).where(erasing.c.since < before)
        async with self.engine.connect() as connection:
            return [(row.id, row.body) for row in (await connection.execute(query)).all()]

    async def end_erasing(self, number: int, spared: Collection[bytes] = ()) -> bytes | None:
        """Its body, once; `spared` ids are held back no longer, unless they are deleted."""
        gone = delete(erasing).where(erasing.c.id == number).returning(erasing.c.body)
        async with self.engine.begin() as connection:
            body = (await connection.execute(gone)).scalar_one_or_none()
            if body is not None and spared:
                held = tombstones.c.position == _NOT_YET
                await connection.execute(
                    delete(tombstones).where(held, tombstones.c.id.in_(list(spared)))
                )
            return body

    async def empty(self, emptying: Emptied) -> None:
        made = upsert(emptied).values(
            project=emptying.project, position=emptying.position, before=emptying.before
        )
        async with self.engine.begin() as connection:
            await connection.execute(made.on_conflict_do_nothing())

    async def buried(self, ids: Collection[bytes]) -> set[bytes]:
        """Those of them that are deleted."""
        wanted, found = list(ids), set[bytes]()
        async with self.engine.connect() as connection:
            for at in range(0, len(wanted), _IDS_AT_ONCE):
                some = tombstones.c.id.in_(wanted[at : at + _IDS_AT_ONCE])
                found.update(
                    (await connection.execute(select(tombstones.c.id).where(some))).scalars()
                )
        return found

    async def emptied(self, after: int) -> list[Emptied]:
        """Those that concern records behind that position."""
        query = select(emptied).where(emptied.c.position > after)
        async with self.engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        return [Emptied(row.project, row.position, row.before) for row in rows]


def _row(parking: Parking) -> dict[str, object]:
    return {
        "position": parking.position,
        "ordinal": parking.ordinal,
        "trace_id": parking.trace_id,
        "span_id": parking.span_id,
        "project": parking.project,
        "reason": parking.reason,
    }


@asynccontextmanager
async def home_database(url: str) -> AsyncIterator[AsyncEngine]:
    """A home's own database, migrated."""
    engine = await open_database(url, HOME)
    try:
        yield engine
    finally:
        await engine.dispose()
