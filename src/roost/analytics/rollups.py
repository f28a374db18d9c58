"""Counts by day, name and person, and the numbers that follow from them.

Rule: `daily_rollup` changes only here, together with `daily_people` and in the transaction that
changes the events; so it always equals what counting the events anew would give.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from roost.storage.event_tables import ANY_NAME, daily_people, daily_rollup

DAY_MS = 86_400_000


class Tally(NamedTuple):
    """What one row of `daily_people` counts."""

    day: int
    name: str
    person: str


def tallies(time_ms: int, name: str, person: str) -> tuple[Tally, Tally]:
    """The two rows that an event counts in: its name's, and that of all names.

    >>> tallies(86_400_000, "opened", "u:ann")[1]
    Tally(day=1, name='', person='u:ann')
    """
    day = time_ms // DAY_MS
    return Tally(day, name, person), Tally(day, ANY_NAME, person)


async def shift(connection: AsyncConnection, changes: Mapping[Tally, int]) -> None:
    """Add so many events to each count; fewer than none is left of none."""
    rows = [{**tally._asdict(), "count": change} for tally, change in changes.items() if change]
    if not rows:
        return
    insert = inserting(connection)(daily_people)
    upsert = insert.on_conflict_do_update(
        index_elements=["day", "name", "person"],
        set_={"count": daily_people.c.count + insert.excluded.count},
    ).returning(daily_people)
    after = {
        Tally(day, name, person): count
        for day, name, person, count in await connection.execute(upsert, rows)
    }
    await _delete_empty(connection, after)
    await _roll(connection, changes, after)


async def move(connection: AsyncConnection, person: str, to: str) -> None:
    """All that a person counted counts for another from now on."""
    rows = await connection.execute(
        select(daily_people.c.day, daily_people.c.name, daily_people.c.count).where(
            daily_people.c.person == person
        )
    )
    changes: dict[Tally, int] = {}
    for day, name, count in rows:
        changes[Tally(day, name, person)] = -count
        changes[Tally(day, name, to)] = count
    await shift(connection, changes)


async def _delete_empty(connection: AsyncConnection, after: Mapping[Tally, int]) -> None:
    table = daily_people.c
    same = (
        (table.day == bindparam("of_day"))
        & (table.name == bindparam("of_name"))
        & (table.person == bindparam("of_person"))
    )
    rows = [
        {"of_day": day, "of_name": name, "of_person": person}
        for (day, name, person), count in after.items()
        if count <= 0
    ]
    if rows:
        await connection.execute(delete(daily_people).where(same), rows)


async def _roll(
    connection: AsyncConnection,
    changes: Mapping[Tally, int],
    after: Mapping[Tally, int],
) -> None:
    counts: Counter[tuple[int, str]] = Counter()
    users: Counter[tuple[int, str]] = Counter()
    for tally, count in after.items():
        change = changes[tally]
        counts[tally.day, tally.name] += change
        users[tally.day, tally.name] += (count > 0) - (count - change > 0)
    insert = inserting(connection)(daily_rollup)
    upsert = insert.on_conflict_do_update(
        index_elements=["day", "name"],
        set_={
            "count": daily_rollup.c.count + insert.excluded.count,
            "users": daily_rollup.c.users + insert.excluded.users,
        },
    )
    rows = [
        {"day": day, "name": name, "count": count, "users": users[day, name]}
        for (day, name), count in counts.items()
    ]
    await connection.execute(upsert, rows)
    days = sorted({day for day, _ in counts})
    empty = daily_rollup.c.day.in_(days) & (daily_rollup.c.count <= 0)
    if any(change < 0 for change in changes.values()):
        await connection.execute(delete(daily_rollup).where(empty))


Insert = type[postgresql.Insert] | type[sqlite.Insert]


def inserting(connection: AsyncConnection) -> Insert:
    """INSERT in the words of that database: both know ON CONFLICT, each by its own class."""
    return postgresql.Insert if connection.dialect.name == "postgresql" else sqlite.Insert
