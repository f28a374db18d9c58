"""Events leave a home: by the age that is kept, or because somebody is to be forgotten.

Rule 1: in slices, each a transaction of its own, so that what comes in never waits long; cut short
anywhere, it is finished by doing it again. Rule 2: the numbers of a day shrink with a person who is
deleted and stay when age takes the events, for they name nobody.
"""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roost.analytics import rollups
from roost.analytics.people import anonymous_person, hash_of, user_person
from roost.analytics.rollups import DAY_MS, Tally
from roost.storage.event_tables import (
    daily_people,
    daily_withheld,
    erasures,
    events,
    identities,
)

SLICE = 1000
CHUNK = 500


async def bar(connection: AsyncConnection, person: str, now_ms: int) -> list[str]:
    """First step of forgetting: from now on nothing of theirs comes back that is older. Returns
    every person that they are known as."""
    persons = [person, *await _anonymous_ids(connection, person)]
    insert = rollups.inserting(connection)(erasures)
    upsert = insert.on_conflict_do_update(
        index_elements=["person_hash"], set_={"erased_ms": insert.excluded.erased_ms}
    )
    rows = [{"person_hash": hash_of(one), "erased_ms": now_ms} for one in persons]
    await connection.execute(upsert, rows)
    return persons


async def _anonymous_ids(connection: AsyncConnection, person: str) -> Sequence[str]:
    kind, _, user = person.partition(":")
    if kind != "u":
        return []
    found = await connection.scalars(
        select(identities.c.person).where(identities.c.user_id == user)
    )
    return found.all()


async def forget_slice(persons: Sequence[str], connection: AsyncConnection) -> int:
    """Delete some of their events and take them out of the numbers; how many it were."""
    anonymous = [one[2:] for one in persons if one.startswith("a:")]
    theirs: ColumnElement[bool] = events.c.person.in_(persons)
    if anonymous:
        # Those count for the user whom the anonymous id was found to be.
        theirs = or_(theirs, events.c.anonymous_id.in_(anonymous) & events.c.user_id.is_(None))
    table = events.c
    query = select(table.id, table.time_ms, table.name, table.person).where(theirs).limit(SLICE)
    found = (await connection.execute(query)).all()
    changes = Counter[Tally]()
    for row in found:
        changes.subtract(rollups.tallies(row.time_ms, row.name, row.person))
    await _delete_events(connection, [row.id for row in found])
    await rollups.shift(connection, changes)
    return len(found)


async def forget_rest(connection: AsyncConnection, persons: Sequence[str]) -> None:
    """Last step: who they were. A refusal stays, or it would not be honoured any more."""
    await connection.execute(delete(daily_people).where(daily_people.c.person.in_(persons)))
    own = identities.c.person.in_(persons)
    await connection.execute(delete(identities).where(own, identities.c.consent.isnot(False)))
    blank = {"user_id": None, "merged_ms": None, "first_seen_ms": None, "last_seen_ms": None}
    await connection.execute(update(identities).where(own).values(blank))


async def trim_slice(earliest_ms: int, connection: AsyncConnection) -> int:
    """Delete some of what is older; how many rows it were, 0 once all is gone. Events go first:
    while there is one, what it counts in is there."""
    query = select(events.c.id).where(events.c.time_ms < earliest_ms).limit(SLICE)
    ids = (await connection.scalars(query)).all()
    await _delete_events(connection, ids)
    return len(ids) or await _trim_counts(connection, earliest_ms)


async def _trim_counts(connection: AsyncConnection, earliest_ms: int) -> int:
    key = tuple_(daily_people.c.day, daily_people.c.name, daily_people.c.person)
    old = select(daily_people.c.day, daily_people.c.name, daily_people.c.person).where(
        daily_people.c.day < earliest_ms // DAY_MS
    )
    gone = await connection.execute(delete(daily_people).where(key.in_(old.limit(SLICE))))
    if gone.rowcount:
        return gone.rowcount
    unseen = and_(identities.c.last_seen_ms < earliest_ms, identities.c.consent.is_(None))
    gone = await connection.execute(
        delete(identities).where(
            identities.c.person.in_(select(identities.c.person).where(unseen).limit(SLICE))
        )
    )
    await _trim_plain(connection, earliest_ms)
    return gone.rowcount


async def _trim_plain(connection: AsyncConnection, earliest_ms: int) -> None:
    """Small tables. What is older than a forgotten erasure is refused for its age."""
    await connection.execute(delete(erasures).where(erasures.c.erased_ms < earliest_ms))
    before = daily_withheld.c.day < earliest_ms // DAY_MS
    await connection.execute(delete(daily_withheld).where(before))


async def _delete_events(connection: AsyncConnection, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        await connection.execute(delete(events).where(events.c.id.in_(part)))


def person_named(name: str, *, anonymous: bool) -> str:
    return anonymous_person(name) if anonymous else user_person(name)
