"""Events on PostgreSQL give what they give on SQLite: the same story, the same answers."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from tests.analytics.homes import NOON, Clock, batch, counted_anew, home, rollup, sent, stored
from tests.analytics.test_queries import LATELY, STORY, filtered
from tests.deploy.postgres import Postgres, postgres

from roost.analytics import questions as q
from roost.analytics.queries import EventQueries
from roost.analytics.store import EventStore
from roost.analytics.taking import Terms
from roost.errors import Unavailable
from roost.storage.event_tables import metadata

QUESTIONS: list[q.Question] = [
    *(q.Series(filtered(), step, measure) for step in q.Step for measure in q.Measure),
    *(q.Series(filtered(user="ann"), step) for step in q.Step),
    *(
        q.Series(filtered(where=(q.Where(key, value),)))
        for key, value in {"plan": "pro", "rows": "5", "is_new": "true", "a.b": "1"}.items()
    ),
    q.Breakdown(LATELY, "plan", top=1),
    q.Breakdown(LATELY, "is_new", q.Measure.USERS),
    q.Breakdown(LATELY, "a.b"),
    q.Breakdown(LATELY, None),
    q.Users(LATELY, q.Step.MONTH),
    q.Names(),
    q.Names("opened"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres("127.0.0.1") as one:
        yield one


@asynccontextmanager
async def on_postgres(server: Postgres, terms: Terms, clock: Clock) -> AsyncIterator[EventStore]:
    engine = create_async_engine(
        f"postgresql+asyncpg://{server.user}:{server.password}"
        f"@{server.host}:{server.port}/{server.database}"
    )
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
    async with EventStore.open(engine, terms, clock) as store:
        yield store
    await engine.dispose()


async def happens(store: EventStore, clock: Clock) -> list[object]:
    """A whole life: told, told again, merged, refused, forgotten, grown old."""
    told: list[object] = []
    anonymous = [sent(anonymous_id=f"anon-1234{n}", id=f"anonymous-event-{n}") for n in range(3)]
    told.append(await store.add(batch(*anonymous)))
    told.append(await store.add(batch(*anonymous)))
    joined = sent(user="ann", anonymous_id="anon-12340", id="joined-event-0000")
    told.append(await store.add(batch(joined)))
    refusal = {"user": "bob", "granted": False, "time": NOON}
    told.append(await store.add(batch(consents=[refusal, {**refusal, "time": NOON - 5}])))
    told.append(await store.add(batch(sent(user="bob", id="withheld-event-00"))))
    told.append(await store.forget("u:ann"))
    told.append(await store.add(batch(joined, anonymous[0])))
    told.append((await stored(store.engine), await rollup(store.engine)))
    assert await rollup(store.engine) == await counted_anew(store.engine)
    clock.now += 5 * 86_400
    await store.trim()
    told.append((await stored(store.engine), await rollup(store.engine)))
    return told


async def test_a_life_goes_as_it_does_on_sqlite(server: Postgres) -> None:
    terms, clock = Terms(retention_days=3), Clock()
    async with home(terms=terms, clock=clock) as store:
        on_sqlite = await happens(store, clock)
    clock = Clock()
    async with on_postgres(server, terms, clock) as store:
        assert await happens(store, clock) == on_sqlite


async def test_questions_are_answered_as_on_sqlite(server: Postgres) -> None:
    story = batch(*STORY)
    async with home() as store:
        await store.add(story)
        on_sqlite = [await EventQueries(store.engine).ask(one) for one in QUESTIONS]
    async with on_postgres(server, Terms(), Clock()) as store:
        await store.add(story)
        answered = [await EventQueries(store.engine).ask(one) for one in QUESTIONS]
    assert answered == on_sqlite


async def test_a_question_that_takes_too_long_is_ended_there_too(server: Postgres) -> None:
    async with on_postgres(server, Terms(), Clock()) as store:
        await store.add(batch(*(sent(f"name {n}") for n in range(900))))
        async with store.engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE events RENAME TO many")
            await connection.exec_driver_sql(
                "CREATE VIEW events AS SELECT a.* FROM many a, many b, many c"
            )
        with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
            await EventQueries(store.engine, deadline_s=0.2).ask(q.Users(LATELY))
        async with store.engine.begin() as connection:
            await connection.exec_driver_sql("DROP VIEW events")
            await connection.exec_driver_sql("DROP TABLE many")
