"""What is asked about events, and what is answered; checked against counting by hand."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import create_async_engine
from tests.analytics.homes import NOON, Sent, batch, home, sent

from roost.analytics import questions as q
from roost.analytics.queries import EventQueries
from roost.errors import BadRequest, Unavailable

HOUR = 3600
DAY = 24 * HOUR
ALL = q.Filter(0, int((NOON + DAY) * 1000))
LATELY = q.Filter(int((NOON - 40 * DAY) * 1000), int((NOON + DAY) * 1000))


def did(user: str, name: str, days_ago: float, **properties: object) -> Sent:
    return sent(
        name, user=user, time=NOON - days_ago * DAY, properties={"in": "story", **properties}
    )


STORY = [
    did("ann", "opened", 0, plan="pro", rows=5),
    did("ann", "opened", 0.1, plan="pro", rows="5"),
    did("bob", "opened", 0, plan="free", is_new=True),
    did("cid", "opened", 1, plan="free", is_new="true"),
    did("ann", "closed", 1, plan="pro"),
    did("dan", "opened", 8, **{"a.b": 1, "it's": 2}),
    did("ann", "opened", 35, plan=None),
    sent("opened", anonymous_id="anon-123456", time=NOON, properties={"in": "story"}),
]


@pytest_asyncio.fixture
async def queries() -> AsyncIterator[EventQueries]:
    async with home() as store:
        await store.add(batch(*STORY))
        yield EventQueries(store.engine)


def values(points: list[q.Point]) -> dict[str, int]:
    """Those that are not zero, by date."""
    return {
        datetime.fromtimestamp(point.at, UTC).strftime("%m-%d %H"): point.value
        for point in points
        if point.value
    }


async def series(queries: EventQueries, **asked: object) -> list[q.Point]:
    of = asked.pop("of", LATELY)
    answer = await queries.ask(q.Series(of, **asked))  # type: ignore[arg-type]
    assert isinstance(answer, q.SeriesAnswer)
    return answer.points


def filtered(**fields: object) -> q.Filter:
    return q.Filter(LATELY.since_ms, LATELY.until_ms, **fields)  # type: ignore[arg-type]


async def test_events_by_day(queries: EventQueries) -> None:
    points = await series(queries)
    assert values(points) == {"12-11 00": 1, "01-07 00": 1, "01-14 00": 2, "01-15 00": 4}
    assert len(points) == 41 + 1


async def test_events_by_hour(queries: EventQueries) -> None:
    today = q.Filter(int((NOON - HOUR) * 1000), int((NOON + HOUR) * 1000))
    points = await series(queries, of=today, step=q.Step.HOUR)
    assert values(points) == {"01-15 12": 3}
    assert len(points) == 2


async def test_unique_users_by_week_begin_on_monday(queries: EventQueries) -> None:
    points = await series(queries, step=q.Step.WEEK, measure=q.Measure.USERS)
    assert values(points) == {"12-07 00": 1, "01-04 00": 1, "01-11 00": 4}


async def test_unique_users_by_month(queries: EventQueries) -> None:
    points = await series(queries, step=q.Step.MONTH, measure=q.Measure.USERS)
    assert values(points) == {"12-01 00": 1, "01-01 00": 5}


@pytest.mark.parametrize("step", [q.Step.DAY, q.Step.WEEK, q.Step.MONTH])
@pytest.mark.parametrize("measure", list(q.Measure))
@pytest.mark.parametrize("name", [None, "opened"])
async def test_the_daily_tables_answer_as_the_events_do(
    queries: EventQueries, step: q.Step, measure: q.Measure, name: str | None
) -> None:
    by_days = await series(queries, step=step, measure=measure, of=filtered(name=name))
    every_one = filtered(name=name, where=(q.Where("in", "story"),))
    assert by_days == await series(queries, step=step, measure=measure, of=every_one)
    assert values(by_days)


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"plan": "pro"}, 3),
        ({"rows": "5"}, 2),
        ({"is_new": "true"}, 2),
        ({"a.b": "1"}, 1),
        ({"it's": "2"}, 1),
        ({"plan": "null"}, 1),
        ({"plan": "pro", "rows": "5"}, 2),
        ({"plan": "' OR 1=1 --"}, 0),
    ],
    ids=str,
)
async def test_a_property_has_to_be_equal(
    queries: EventQueries, where: dict[str, str], count: int
) -> None:
    asked = filtered(where=tuple(q.Where(key, value) for key, value in where.items()))
    assert sum(point.value for point in await series(queries, of=asked)) == count


async def broken_down(queries: EventQueries, **asked: object) -> q.BreakdownAnswer:
    answer = await queries.ask(q.Breakdown(LATELY, **asked))  # type: ignore[arg-type]
    assert isinstance(answer, q.BreakdownAnswer)
    return answer


async def test_by_a_property_those_without_it_are_a_part_too(queries: EventQueries) -> None:
    answer = await broken_down(queries, property="plan")
    assert [(part.value, part.count, part.users) for part in answer.parts] == [
        (None, 3, 3),
        ("pro", 3, 1),
        ("free", 2, 2),
    ]
    assert answer.other == q.Rest(0, 0, 0)


async def test_what_is_not_shown_is_summed_up(queries: EventQueries) -> None:
    answer = await broken_down(queries, property="plan", top=1, measure=q.Measure.USERS)
    assert [part.value for part in answer.parts] == [None]
    assert answer.other == q.Rest(count=5, users=3, values=2)


async def test_by_user_who_has_not_signed_in_is_told_apart(queries: EventQueries) -> None:
    answer = await broken_down(queries, property=None, top=2)
    assert [(part.value, part.count, part.anonymous) for part in answer.parts] == [
        ("ann", 4, False),
        ("anon-123456", 1, True),
    ]
    assert answer.other.users == 3


async def test_unique_users_of_the_whole_time(queries: EventQueries) -> None:
    answer = await queries.ask(q.Users(LATELY, q.Step.MONTH))
    assert isinstance(answer, q.UsersAnswer)
    assert answer.total == 5
    assert [point.value for point in answer.points] == [1, 5]


async def test_names_and_the_properties_of_one(queries: EventQueries) -> None:
    answer = await queries.ask(q.Names())
    assert isinstance(answer, q.NamesAnswer)
    assert [(row.name, row.count, row.last_day) for row in answer.names] == [
        ("closed", 1, "2027-01-14"),
        ("opened", 7, "2027-01-15"),
    ]
    one = await queries.ask(q.Names("opened"))
    assert isinstance(one, q.NamesAnswer)
    assert one.looked_at == 7
    plan = next(row for row in one.properties if row.property == "plan")
    assert (plan.count, plan.examples) == (5, ["free", "pro", None])


@pytest.mark.parametrize(
    "question",
    [
        q.Series(q.Filter(5, 5)),
        q.Series(ALL, q.Step.HOUR),
        q.Series(q.Filter(0, 2**53), q.Step.MONTH),
        q.Breakdown(ALL, "plan", top=0),
        q.Breakdown(ALL, "plan", top=101),
    ],
    ids=["no time", "hours", "months", "none", "many"],
)
async def test_what_asks_for_nothing_or_too_much_is_refused(
    queries: EventQueries, question: q.Question
) -> None:
    with pytest.raises(BadRequest):
        await queries.ask(question)


async def test_a_question_that_takes_too_long_is_ended_in_the_database(tmp_path: Path) -> None:
    async with home(tmp_path) as store:
        for _ in range(3):
            await store.add(batch(*(sent(f"name {n}") for n in range(900))))
        url = f"sqlite+aiosqlite:///{tmp_path / 'app.db'}"
        endless = create_async_engine(url)
        async with endless.begin() as connection:
            # The view takes the table's place: each row of it costs the whole table thrice.
            await connection.exec_driver_sql("ALTER TABLE events RENAME TO many")
            await connection.exec_driver_sql(
                "CREATE VIEW events AS SELECT a.* FROM many a, many b, many c"
            )
        with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
            await EventQueries(endless, deadline_s=0.2).ask(q.Users(LATELY))
        async with endless.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT 1")).scalar_one() == 1
        await endless.dispose()
