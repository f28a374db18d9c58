"""Answers about a home's events.

Rule 1: each is bounded: points, parts, rows looked at, and a deadline. Rule 2: without a filter
that needs the events themselves the daily tables answer, which are small and exact.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import assert_never

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    Text,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from roost.analytics import questions as q
from roost.analytics.people import user_person
from roost.analytics.reading import reading
from roost.analytics.steps import DAY_MS, begins, end_of, step_column
from roost.storage.event_tables import ANY_NAME, daily_people, daily_rollup, events

NAMES_MAX = 2000
LOOKED_AT_MAX = 500
EXAMPLES_MAX = 10
EXAMPLE_CHARS_MAX = 100

_person_count: ColumnElement[int] = func.count(events.c.person.distinct())


@dataclass(frozen=True, slots=True)
class EventQueries:
    """`at_once` questions run at a time; the others wait for as long as a question may take."""

    engine: AsyncEngine
    deadline_s: float = 10.0
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    async def ask(self, question: q.Question) -> q.Answer:
        """BadRequest where the question is not in order, Unavailable past the deadline."""
        q.check(question)
        async with self.at_once, reading(self.engine, self.deadline_s) as connection:
            match question:
                case q.Series():
                    points = await _points(connection, question)
                    return q.SeriesAnswer(question.step, question.measure, points)
                case q.Breakdown():
                    return await _breakdown(connection, question)
                case q.Users():
                    return await _users(connection, question)
                case q.Names():
                    return await _names(connection, question.name)
                case _:
                    assert_never(question)


async def _points(connection: AsyncConnection, asked: q.Series) -> list[q.Point]:
    """Each step from its beginning to its end, also where the time asked about cuts it."""
    of = asked.of
    starts = begins(asked.step, of.since_ms, of.until_ms)
    whole = msgspec.structs.replace(of, since_ms=starts[0], until_ms=end_of(asked.step, starts[-1]))
    query = _series_query(connection, asked, whole, starts)
    found: dict[int, int] = {row[0]: row[1] for row in await connection.execute(query)}
    return [q.Point(at // 1000, found.get(place, 0)) for place, at in enumerate(starts)]


def _series_query(
    connection: AsyncConnection, asked: q.Series, whole: q.Filter, starts: list[int]
) -> Select[int, int]:
    is_count = asked.measure is q.Measure.COUNT
    if asked.step is q.Step.HOUR or not _is_plain(whole):
        place = step_column(asked.step, events.c.time_ms, starts)
        count: ColumnElement[int] = func.count() if is_count else _person_count
        return select(place, count).where(*_conditions(connection, whole)).group_by(place)
    table, value = daily_rollup, _sum(daily_rollup.c.count if is_count else daily_rollup.c.users)
    if not is_count and asked.step is not q.Step.DAY:
        table, value = daily_people, func.count(daily_people.c.person.distinct())
    day_ms = cast(table.c.day, BigInteger) * DAY_MS
    place = step_column(asked.step, day_ms, starts)
    return (
        select(place, value)
        .where(
            table.c.name == (whole.name or ANY_NAME),
            table.c.day >= whole.since_ms // DAY_MS,
            table.c.day < whole.until_ms // DAY_MS,
        )
        .group_by(place)
    )


def _sum(column: ColumnElement[int]) -> ColumnElement[int]:
    """PostgreSQL sums whole numbers to a decimal one."""
    return cast(func.sum(column), BigInteger)


def _is_plain(of: q.Filter) -> bool:
    return of.user is None and not of.where


async def _users(connection: AsyncConnection, asked: q.Users) -> q.UsersAnswer:
    points = await _points(connection, q.Series(asked.of, asked.step, q.Measure.USERS))
    query = select(_person_count).where(*_conditions(connection, asked.of))
    total = (await connection.execute(query)).scalar_one()
    return q.UsersAnswer(total, asked.step, points)


async def _breakdown(connection: AsyncConnection, asked: q.Breakdown) -> q.BreakdownAnswer:
    rows = _valued(connection, asked)
    count, users = func.count(), func.count(rows.c.person.distinct())
    order = count if asked.measure is q.Measure.COUNT else users
    grouped = select(rows.c.value, count, users).group_by(rows.c.value)
    largest = grouped.order_by(order.desc(), rows.c.value).limit(asked.top)
    top = (await connection.execute(largest)).all()
    others = select(count, users, func.count(rows.c.value.distinct())).where(
        rows.c.value.notin_([value for value, _, _ in top])
    )
    rest = (await connection.execute(others)).one()
    parts = [_part(*row, by_user=asked.property is None) for row in top]
    return q.BreakdownAnswer(parts, q.Rest(*rest))


def _valued(connection: AsyncConnection, asked: q.Breakdown) -> Subquery:
    """The events' persons with what they are broken down by, as text; "" where there is none."""
    if asked.property is None:
        value: ColumnElement[str] = events.c.person
    else:
        value = func.coalesce(func.nullif(_property(connection, asked.property), "null"), "")
    query = select(value.label("value"), events.c.person.label("person"))
    return query.where(*_conditions(connection, asked.of)).subquery()


def _part(value: str, count: int, users: int, *, by_user: bool) -> q.Part:
    if by_user:
        kind, _, name = value.partition(":")
        return q.Part(name, count, users, anonymous=kind == "a")
    return q.Part(msgspec.json.decode(value) if value else None, count, users)


async def _names(connection: AsyncConnection, name: str | None) -> q.NamesAnswer:
    table = daily_rollup.c
    query = (
        select(table.name, _sum(table.count), func.max(table.day))
        .where(table.name == name if name else table.name != ANY_NAME)
        .group_by(table.name)
        .order_by(table.name)
        .limit(NAMES_MAX)
    )
    names = [
        q.NameRow(found, count, _date(day)) for found, count, day in await connection.execute(query)
    ]
    if name is None:
        return q.NamesAnswer(names, [], 0)
    latest = (
        select(events.c.properties)
        .where(events.c.name == name)
        .order_by(events.c.time_ms.desc())
        .limit(LOOKED_AT_MAX)
    )
    held = [_held(row) for row in await connection.scalars(latest)]
    return q.NamesAnswer(names, _property_rows(held), len(held))


def _held(stored: str | dict[str, object]) -> dict[str, object]:
    """SQLite gives the text, PostgreSQL the object."""
    if isinstance(stored, dict):
        return stored
    return msgspec.json.decode(stored, type=dict[str, object])


def _property_rows(held: Sequence[dict[str, object]]) -> list[q.PropertyRow]:
    counts: dict[str, int] = {}
    examples: dict[str, list[object]] = {}
    for properties in held:
        for name, value in properties.items():
            counts[name] = counts.get(name, 0) + 1
            known = examples.setdefault(name, [])
            if len(known) < EXAMPLES_MAX and _is_short(value) and value not in known:
                known.append(value)
    return [q.PropertyRow(name, counts[name], examples[name]) for name in sorted(counts)]


def _is_short(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= EXAMPLE_CHARS_MAX
    return not isinstance(value, dict | list)


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date().isoformat()


def _conditions(connection: AsyncConnection, of: q.Filter) -> list[ColumnElement[bool]]:
    found = [events.c.time_ms >= of.since_ms, events.c.time_ms < of.until_ms]
    if of.name is not None:
        found.append(events.c.name == of.name)
    if of.user is not None:
        found.append(events.c.person == user_person(of.user))
    found.extend(
        _property(connection, where.property).in_(_spellings(where.value)) for where in of.where
    )
    return found


def _property(connection: AsyncConnection, name: str) -> ColumnElement[str]:
    """The property as JSON text, NULL where there is none. The name is in order
    (`is_property_name`): SQLite takes it as a path."""
    path = name if connection.dialect.name == "postgresql" else f'$."{name}"'
    return cast(events.c.properties.op("->")(literal(path, Text)), Text)


def _spellings(value: str) -> list[str]:
    """As JSON: the text, and the number or truth value that is written so.

    >>> _spellings("pro"), _spellings("5"), _spellings("true")
    (['"pro"'], ['"5"', '5'], ['"true"', 'true'])
    """
    spellings = [msgspec.json.encode(value).decode()]
    try:
        plain = msgspec.json.decode(value, type=int | float | bool | None)
    except msgspec.DecodeError:
        return spellings
    return [*spellings, msgspec.json.encode(plain).decode()]
