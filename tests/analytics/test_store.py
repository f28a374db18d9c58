"""What enters a home once is there once, counts for the right person, and leaves when it should."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.analytics.homes import (
    NOON,
    TODAY,
    Clock,
    Sent,
    batch,
    counted_anew,
    home,
    people_counted,
    rollup,
    sent,
    stored,
)

from roost.analytics import store as module
from roost.analytics.erasing import person_named
from roost.analytics.store import EventStore
from roost.analytics.taking import Terms, Verdict
from roost.errors import Unavailable
from roost.storage.event_tables import daily_withheld, erasures, events, identities

DAY_S = 86_400.0
ANON = "anon-0123456789"


async def test_what_is_sent_again_changes_nothing() -> None:
    async with home() as store:
        event = sent()
        first = await store.add(batch(event))
        again = await store.add(batch({**event, "name": "closed"}, sent()))
        assert first.accepted == [event["id"]]
        assert again.duplicate == [event["id"]]
        assert (await rollup(store.engine))[TODAY, "opened"] == (2, 1)
        assert await rollup(store.engine) == await counted_anew(store.engine)


async def test_of_two_with_one_id_in_a_batch_the_first_counts() -> None:
    async with home() as store:
        event = sent()
        taken = await store.add(batch(event, event))
        assert (taken.accepted, taken.duplicate) == ([event["id"]], [event["id"]])


async def test_all_who_wait_are_answered_from_one_commit(tmp_path: Path) -> None:
    async with home(tmp_path) as store:
        batches = [[sent() for _ in range(5)] for _ in range(40)]
        taken = await asyncio.gather(*(store.add(batch(*one)) for one in batches))
        assert [one.accepted for one in taken] == [[e["id"] for e in one] for one in batches]
        assert len(await stored(store.engine)) == 200


async def test_what_does_not_fit_the_queue_is_sent_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAITING_EVENTS_MAX", 3)
    async with home() as store:
        taken = await asyncio.gather(
            *(store.add(batch(sent(), sent())) for _ in range(4)), return_exceptions=True
        )
        refused = [one for one in taken if isinstance(one, Unavailable)]
        assert refused
        assert {one.status for one in refused} == {429}
        assert all(one.retry_after_s for one in refused)


async def test_a_database_that_fails_is_told_as_such_and_recovers(tmp_path: Path) -> None:
    async with home(tmp_path) as store:
        async with store.engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE events RENAME TO away")
        event = sent()
        with pytest.raises(Unavailable):
            await store.add(batch(event))
        async with store.engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE away RENAME TO events")
        assert (await store.add(batch(event))).accepted == [event["id"]]


async def test_whoever_waits_at_the_end_hears_so() -> None:
    async with home() as store:
        waiting = asyncio.ensure_future(store.add(batch(sent())))
    with pytest.raises(Unavailable):
        await waiting


async def test_before_and_after_sign_in_it_is_one_person() -> None:
    async with home() as store:
        before = sent(anonymous_id=ANON)
        yesterday = sent(anonymous_id=ANON, time=NOON - DAY_S)
        await store.add(batch(before, yesterday))
        assert set((await stored(store.engine)).values()) == {f"a:{ANON}"}
        await store.add(batch(sent(user="ann", anonymous_id=ANON)))
        await store.add(batch(sent(anonymous_id=ANON)))
        assert set((await stored(store.engine)).values()) == {"u:ann"}
        assert (await rollup(store.engine))[TODAY, "opened"] == (3, 1)
        assert await rollup(store.engine) == await counted_anew(store.engine)


async def test_the_first_user_of_an_anonymous_id_keeps_it() -> None:
    async with home() as store:
        early = sent(anonymous_id=ANON)
        bobs = sent(user="bob", anonymous_id=ANON)
        await store.add(batch(sent(user="ann", anonymous_id=ANON), early, bobs))
        people = await stored(store.engine)
        assert people[str(early["id"])] == "u:ann"
        assert people[str(bobs["id"])] == "u:bob"


async def test_a_user_is_never_taken_for_an_anonymous_id() -> None:
    async with home() as store:
        await store.add(batch(sent(user=ANON), sent(anonymous_id=ANON)))
        assert (await rollup(store.engine))[TODAY, "opened"] == (2, 2)


async def test_first_and_last_seen_follow_the_events_times() -> None:
    async with home() as store:
        await store.add(batch(sent(time=NOON)))
        await store.add(batch(sent(time=NOON - 50), sent(time=NOON - 7)))
        async with store.engine.connect() as connection:
            row = (await connection.execute(select(identities))).one()
        assert row.person == "u:ann"
        assert (row.first_seen_ms, row.last_seen_ms) == ((NOON - 50) * 1000, NOON * 1000)


async def test_who_refused_is_answered_and_counted_but_not_stored() -> None:
    async with home() as store:
        await store.add(batch(consents=[{"user": "ann", "granted": False, "time": NOON}]))
        anns, bobs = sent(), sent(user="bob")
        taken = await store.add(batch(anns, bobs))
        assert (taken.withheld, taken.accepted) == ([anns["id"]], [bobs["id"]])
        assert list(await stored(store.engine)) == [bobs["id"]]
        async with store.engine.connect() as connection:
            assert (await connection.execute(select(daily_withheld))).all() == [(TODAY, 1)]


async def test_a_refusal_by_the_anonymous_id_holds_for_its_user() -> None:
    async with home() as store:
        await store.add(batch(consents=[{"anonymous_id": ANON, "granted": False}]))
        event = sent(user="ann", anonymous_id=ANON)
        assert (await store.add(batch(event))).withheld == [event["id"]]


async def test_the_newest_word_on_consent_counts_in_whatever_order_they_come() -> None:
    async with home() as store:
        yes = {"user": "ann", "granted": True, "time": NOON}
        no = {"user": "ann", "granted": False, "time": NOON - 10}
        await store.add(batch(consents=[yes]))
        await store.add(batch(consents=[no]))
        assert (await store.add(batch(sent()))).withheld == []


async def test_where_consent_is_asked_first_silence_is_no() -> None:
    async with home(terms=Terms(asks_first=True)) as store:
        anns, bobs = sent(), sent(user="bob")
        taken = await store.add(
            batch(anns, bobs, consents=[{"user": "bob", "granted": True, "time": NOON}])
        )
        assert (taken.withheld, taken.accepted) == ([anns["id"]], [bobs["id"]])


async def test_a_forgotten_user_leaves_nothing_but_what_keeps_them_out() -> None:
    async with home() as store:
        early = sent(anonymous_id=ANON)
        await store.add(batch(early, sent(user="ann", anonymous_id=ANON), sent(user="bob")))
        assert (await store.forget(person_named("ann", anonymous=False))).events == 2
        assert set((await stored(store.engine)).values()) == {"u:bob"}
        assert await people_counted(store.engine) == {"u:bob"}
        assert await rollup(store.engine) == await counted_anew(store.engine)
        again = await store.add(batch(early))
        assert [one.reason for one in again.rejected] == [Verdict.ERASED]
        async with store.engine.connect() as connection:
            known = (await connection.scalars(select(identities.c.person))).all()
            marks = (await connection.scalars(select(erasures.c.person_hash))).all()
        assert known == ["u:bob"]
        assert not any("ann" in mark or ANON in mark for mark in marks)


async def test_a_forgotten_user_may_come_back_as_a_new_one() -> None:
    clock = Clock()
    async with home(clock=clock) as store:
        await store.add(batch(sent()))
        await store.forget("u:ann")
        clock.now += 60
        later = sent(time=clock.now)
        assert (await store.add(batch(later))).accepted == [later["id"]]


async def test_forgetting_keeps_a_refusal() -> None:
    async with home() as store:
        await store.add(batch(sent()))
        await store.add(batch(consents=[{"user": "ann", "granted": False, "time": NOON}]))
        await store.forget("u:ann")
        event = sent(time=NOON + 60)
        assert (await store.add(batch(event))).withheld == [event["id"]]


async def test_forgetting_an_anonymous_id_takes_what_it_did_without_a_name() -> None:
    async with home() as store:
        named = sent(user="ann", anonymous_id=ANON)
        await store.add(batch(sent(anonymous_id=ANON), named))
        await store.forget(f"a:{ANON}")
        assert list(await stored(store.engine)) == [named["id"]]
        assert await rollup(store.engine) == await counted_anew(store.engine)


async def test_age_takes_whole_days_and_leaves_their_numbers() -> None:
    clock = Clock()
    async with home(terms=Terms(retention_days=2), clock=clock) as store:
        old, young = sent(time=NOON - 2 * DAY_S), sent(user="bob", time=NOON)
        await store.add(batch(old, young))
        assert await store.trim() == 0
        clock.now += DAY_S
        assert await store.trim() > 0
        assert list(await stored(store.engine)) == [young["id"]]
        assert await people_counted(store.engine) == {"u:bob"}
        assert (await rollup(store.engine))[TODAY - 2, "opened"] == (1, 1)
        assert [one.reason for one in (await store.add(batch(old))).rejected] == [Verdict.TOO_OLD]


async def test_without_retention_nothing_is_too_old() -> None:
    async with home() as store:
        old = sent(time=1.0)
        assert (await store.add(batch(old))).accepted == [old["id"]]
        assert await store.trim() == 0


async def test_a_time_far_ahead_is_refused() -> None:
    async with home() as store:
        taken = await store.add(batch(sent(), sent(time=NOON + 2 * DAY_S)))
        assert [(one.index, one.reason) for one in taken.rejected] == [(1, Verdict.IN_THE_FUTURE)]


async def test_names_without_end_are_refused_and_known_ones_still_taken(tmp_path: Path) -> None:
    terms = Terms(names=3)
    async with home(tmp_path, terms) as store:
        taken = await store.add(batch(*(sent(f"report {n}") for n in range(5))))
        assert len(taken.accepted) == 3
        assert {one.reason for one in taken.rejected} == {Verdict.TOO_MANY_NAMES}
    async with home(tmp_path, terms) as store:
        taken = await store.add(batch(sent("report 0"), sent("report 7")))
        assert (len(taken.accepted), len(taken.rejected)) == (1, 1)


@dataclass(frozen=True)
class Forget:
    person: str


USERS = st.sampled_from([None, "ann", "bob", "cid"])
ANONYMOUS = st.sampled_from([None, "anon-one", "anon-two"])
WHO = st.tuples(USERS, ANONYMOUS).filter(any)
EVENTS = st.builds(
    lambda number, name, who, days: {
        "id": f"event-{number:016d}",
        "name": name,
        "time": NOON - days * DAY_S,
        **{key: one for key, one in zip(("user", "anonymous_id"), who, strict=True) if one},
    },
    st.integers(0, 30),
    st.sampled_from(["opened", "closed"]),
    WHO,
    st.integers(0, 2),
)
CONSENTS = st.builds(
    lambda user, granted, age: {"user": user, "granted": granted, "time": NOON - age},
    st.sampled_from(["ann", "bob"]),
    st.booleans(),
    st.integers(0, 5),
)
STEPS = st.one_of(
    st.tuples(st.lists(EVENTS, min_size=1, max_size=6), st.lists(CONSENTS, max_size=1)),
    st.builds(Forget, st.sampled_from(["u:ann", "u:bob", "a:anon-one"])),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=8))
def test_whatever_happens_the_rollups_are_those_of_counting_anew(
    steps: list[tuple[list[Sent], list[Sent]] | Forget],
) -> None:
    asyncio.run(_happens(steps))


async def _happens(steps: list[tuple[list[Sent], list[Sent]] | Forget]) -> None:
    async with home() as store:
        for step in steps:
            if isinstance(step, Forget):
                await store.forget(step.person)
            else:
                await store.add(batch(*step[0], consents=step[1]))
            assert await rollup(store.engine) == await counted_anew(store.engine)
            assert await people_counted(store.engine) == set((await stored(store.engine)).values())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(EVENTS, min_size=1, max_size=6), min_size=1, max_size=6), st.data())
def test_sending_again_in_any_order_gives_what_sending_once_gave(
    batches: list[list[Sent]], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(batches), max_size=6))
    asyncio.run(_again(batches, again))


async def _again(batches: list[list[Sent]], again: list[list[Sent]]) -> None:
    async with home() as store:
        for one in batches:
            await store.add(batch(*one))
        once = await _rows(store), await rollup(store.engine)
        for one in again:
            taken = await store.add(batch(*one))
            assert taken.accepted == []
        assert (await _rows(store), await rollup(store.engine)) == once


async def _rows(store: EventStore) -> list[tuple[object, ...]]:
    async with store.engine.connect() as connection:
        rows = await connection.execute(select(events).order_by(events.c.id))
        return [tuple(row) for row in rows]
