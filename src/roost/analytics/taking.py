"""Events enter a home: each is judged by what the home knows, and what counts is stored.

Rule: all of it happens in the caller's transaction, under the store's one lock: events, persons
and rollups are never seen apart. An event's id decides; what is sent again changes nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from roost.analytics import people, rollups
from roost.analytics.events import Consent, Event
from roost.analytics.rollups import DAY_MS, Tally
from roost.storage.event_tables import ANY_NAME, daily_rollup, daily_withheld, events

CHUNK = 500


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    WITHHELD = "withheld"
    """Not stored for want of consent; counted."""
    TOO_OLD = "it is older than what is kept"
    IN_THE_FUTURE = "its time lies more than a day ahead"
    ERASED = "its user was deleted after it"
    TOO_MANY_NAMES = "there are too many different event names; put what varies into properties"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a home takes and keeps. `retention_days` None keeps for ever; with `asks_first` only
    who has agreed is counted. `names` bounds the different names."""

    retention_days: int | None = None
    asks_first: bool = False
    names: int = 2000

    def earliest_ms(self, now_ms: int) -> int:
        """Whole days are kept, so that the numbers of each stay right to its end."""
        if self.retention_days is None:
            return 0
        return (now_ms // DAY_MS - self.retention_days) * DAY_MS


@dataclass(frozen=True, slots=True)
class Asked:
    """What events are judged by. `names` are those the home has; new ones are added to it, and one
    of a transaction that fails may stay."""

    terms: Terms
    now_ms: int
    names: set[str]


async def names_of(connection: AsyncConnection) -> set[str]:
    """The names that the home has counted."""
    name = daily_rollup.c.name
    return set(await connection.scalars(select(name).where(name != ANY_NAME).distinct()))


async def take(
    connection: AsyncConnection,
    batch: Sequence[Event],
    consents: Sequence[Consent],
    asked: Asked,
) -> list[Verdict]:
    """A verdict for each event, in order; those that are accepted are stored."""
    now_ms = asked.now_ms
    await people.note_consents(connection, consents)
    known = await people.known(connection, batch)
    verdicts = await _judge(connection, batch, known, asked)
    taken = [
        event for event, verdict in zip(batch, verdicts, strict=True) if verdict is Verdict.ACCEPTED
    ]
    await _count_withheld(connection, batch, verdicts)
    if taken:
        await people.note_seen(connection, taken)
        known = await people.merge(connection, taken, known, now_ms)
        await _store(connection, taken, known, now_ms)
    return verdicts


async def _judge(
    connection: AsyncConnection, batch: Sequence[Event], known: people.Known, asked: Asked
) -> list[Verdict]:
    seen = await _existing(connection, [event.id for event in batch])
    verdicts = []
    for event in batch:
        verdict = Verdict.DUPLICATE if event.id in seen else _verdict(event, known, asked)
        if verdict is Verdict.ACCEPTED:
            seen.add(event.id)
            asked.names.add(event.name)
        verdicts.append(verdict)
    return verdicts


def _verdict(event: Event, known: people.Known, asked: Asked) -> Verdict:
    terms = asked.terms
    if event.time_ms < terms.earliest_ms(asked.now_ms):
        return Verdict.TOO_OLD
    if event.time_ms > asked.now_ms + DAY_MS:
        return Verdict.IN_THE_FUTURE
    if known.was_erased(event):
        return Verdict.ERASED
    if not known.may_count(event, asks_first=terms.asks_first):
        return Verdict.WITHHELD
    if len(asked.names) >= terms.names and event.name not in asked.names:
        return Verdict.TOO_MANY_NAMES
    return Verdict.ACCEPTED


async def _existing(connection: AsyncConnection, ids: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        found.update(await connection.scalars(select(events.c.id).where(events.c.id.in_(part))))
    return found


async def _store(
    connection: AsyncConnection, taken: Sequence[Event], known: people.Known, now_ms: int
) -> None:
    is_json = connection.dialect.name == "postgresql"
    rows, changes = [], Counter[Tally]()
    for event in taken:
        person = known.person_of(event)
        changes.update(rollups.tallies(event.time_ms, event.name, person))
        rows.append(
            {
                "id": event.id,
                "time_ms": event.time_ms,
                "received_ms": now_ms,
                "name": event.name,
                "user_id": event.user,
                "anonymous_id": event.anonymous_id,
                "person": person,
                "properties": msgspec.json.decode(event.properties)
                if is_json
                else event.properties,
                "library": event.library,
            }
        )
    await connection.execute(insert(events), rows)
    await rollups.shift(connection, changes)


async def _count_withheld(
    connection: AsyncConnection, batch: Sequence[Event], verdicts: Sequence[Verdict]
) -> None:
    days = Counter(
        event.time_ms // DAY_MS
        for event, verdict in zip(batch, verdicts, strict=True)
        if verdict is Verdict.WITHHELD
    )
    if not days:
        return
    new = rollups.inserting(connection)(daily_withheld)
    upsert = new.on_conflict_do_update(
        index_elements=["day"], set_={"count": daily_withheld.c.count + new.excluded.count}
    )
    await connection.execute(upsert, [{"day": day, "count": count} for day, count in days.items()])
