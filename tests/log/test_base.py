"""What every log keeps to, on each engine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from tests.log.engines import Engine, Tables

from roost.errors import Unavailable
from roost.log.base import BEGINNING, Entry, Kind, Log, Position, Record
from roost.log.group_commit import QueueLimits

TEXT = b"a body of some length that says the same again and again; " * 40


def entries(*bodies: bytes) -> list[Entry]:
    return [Entry(Kind.SPANS, body) for body in bodies]


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number + TEXT for number in range(count)]


def bodies(records: Sequence[Record]) -> list[bytes]:
    return [record.body for record in records]


def positions(records: Sequence[Record]) -> list[int]:
    return [record.position for record in records]


async def everything(log: Log) -> list[Record]:
    """By small reads."""
    found: list[Record] = []
    while batch := await log.read(found[-1].position if found else BEGINNING, 5_000):
        found += batch
    return found


@asynccontextmanager
async def opened(
    engine: Engine, *, quota_bytes: int = 0, queue: QueueLimits | None = None
) -> AsyncIterator[Log]:
    log = await engine.open(quota_bytes=quota_bytes, queue=queue)
    try:
        yield log
    finally:
        await log.aclose()


async def test_an_empty_log_has_nothing(engine: Engine) -> None:
    async with opened(engine) as log:
        assert (log.extent.first, log.extent.last) == (1, 0)
        assert await log.read(BEGINNING, 1_000) == []
        assert await log.get([Position(1)]) == {}
        assert await log.append([]) == 0


async def test_what_is_appended_is_read_in_order(engine: Engine) -> None:
    async with opened(engine) as log:
        assert await log.append(entries(b"one", b"two")) == 2
        assert await log.append([Entry(Kind.DELETION, b"")]) == 3
        records = await log.read(BEGINNING, 1_000)
        assert positions(records) == [1, 2, 3]
        assert bodies(records) == [b"one", b"two", b""]
        assert [record.kind for record in records] == [Kind.SPANS, Kind.SPANS, Kind.DELETION]


async def test_what_is_appended_is_there_after_opening_again(engine: Engine) -> None:
    async with opened(engine) as log:
        for body in numbered(60):
            await log.append(entries(body))
    async with opened(engine) as log:
        assert bodies(await everything(log)) == numbered(60)
        assert await log.append(entries(b"next")) == 61


async def test_a_body_comes_back_byte_for_byte(engine: Engine) -> None:
    sent = [b"", b"\0", bytes(100_000), TEXT, bytes(range(256)) * 300]
    async with opened(engine) as log:
        await log.append(entries(*sent))
        assert bodies(await log.read(BEGINNING, 10**9)) == sent


async def test_a_read_stops_near_its_limit_but_gives_one_record_at_least(engine: Engine) -> None:
    async with opened(engine) as log:
        await log.append(entries(*[bytes(1_000)] * 10))
        assert len(await log.read(BEGINNING, 1)) == 1
        assert len(await log.read(BEGINNING, 0)) == 1
        assert 3 <= len(await log.read(BEGINNING, 3_000)) <= 4
        assert positions(await log.read(Position(8), 10**6)) == [9, 10]


async def test_appends_at_once_stay_whole_and_in_order(engine: Engine) -> None:
    async with opened(engine) as log:
        appends = [entries(*[b"%d-%d" % (n, part) for part in range(3)]) for n in range(40)]
        lasts = await asyncio.gather(*[log.append(append) for append in appends])
        assert lasts == [3 * n + 3 for n in range(40)]
        assert bodies(await everything(log)) == [e.body for append in appends for e in append]


async def test_get_finds_those_that_are_there(engine: Engine) -> None:
    async with opened(engine) as log:
        await log.append(entries(b"one", b"two", b"three"))
        found = await log.get([Position(3), Position(1), Position(9), Position(0)])
        assert {position: record.body for position, record in found.items()} == {
            1: b"one",
            3: b"three",
        }


async def test_times_never_decrease(engine: Engine) -> None:
    times = iter([50.0, 60.0, 40.0, 70.0])
    log = await engine.open(clock=lambda: next(times, 30.0))
    for body in (b"one", b"two", b"three"):
        await log.append(entries(body))
    await log.aclose()
    log = await engine.open(clock=lambda: 30.0)
    await log.append(entries(b"four"))
    at = [record.at for record in await log.read(BEGINNING, 1_000)]
    assert at == sorted(at)
    assert at[-1] > 30.0
    await log.aclose()


async def test_a_reader_at_the_tail_is_woken(engine: Engine) -> None:
    async with opened(engine) as log:
        waiting = asyncio.create_task(log.wait(BEGINNING))
        await asyncio.sleep(0)
        assert not waiting.done()
        await log.append(entries(b"one"))
        await asyncio.wait_for(waiting, 5)
        await asyncio.wait_for(log.wait(BEGINNING), 5)


async def test_who_waits_is_told_that_the_log_is_closed(engine: Engine) -> None:
    log = await engine.open()
    waiting = asyncio.create_task(log.wait(BEGINNING))
    await asyncio.sleep(0)
    await log.aclose()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(Unavailable):
        await log.append(entries(b"late"))
    await log.aclose()


async def test_what_was_taken_is_made_durable_before_the_log_closes(engine: Engine) -> None:
    log = await engine.open()
    appending = asyncio.create_task(log.append(entries(b"one")))
    await asyncio.sleep(0)
    await log.aclose()
    assert await appending == 1
    async with opened(engine) as log:
        assert bodies(await everything(log)) == [b"one"]


async def test_erased_bodies_are_other_ones_from_then_on(engine: Engine) -> None:
    async with opened(engine) as log:
        await log.append(entries(*numbered(60)))
        await log.erase({Position(2): b"", Position(59): b"what may stay", Position(99): b""})
        expected = numbered(60)
        expected[1], expected[58] = b"", b"what may stay"
        assert bodies(await everything(log)) == expected
        assert await log.append(entries(b"next")) == 61
        assert (await log.get([Position(2)]))[Position(2)].body == b""
    async with opened(engine) as log:
        assert bodies(await everything(log)) == [*expected, b"next"]


async def test_trimmed_records_are_gone_and_the_others_are_not(engine: Engine) -> None:
    async with opened(engine) as log:
        for body in numbered(200):
            await log.append(entries(body * 3))
        stored_bytes = log.extent.stored_bytes
        await log.trim(Position(150))
        assert log.extent.stored_bytes < stored_bytes
        assert 1 < log.extent.first <= 150
        found = await everything(log)
        assert positions(found) == list(range(log.extent.first, 201))
        assert positions(await log.read(Position(3), 1))[0] == log.extent.first
        assert await log.get([Position(1)]) == {}


async def test_positions_go_on_after_everything_was_trimmed(engine: Engine) -> None:
    async with opened(engine) as log:
        await log.append(entries(b"one", b"two"))
        await log.trim(Position(3))
        assert (log.extent.first, log.extent.last) == (3, 2)
        assert await everything(log) == []
    async with opened(engine) as log:
        assert (log.extent.first, log.extent.last) == (3, 2)
        assert await log.append(entries(b"three")) == 3
        assert positions(await everything(log)) == [3]


async def test_over_the_quota_only_deletions_are_taken_until_there_is_room(engine: Engine) -> None:
    noise = [bytes((n * n + k * 31) % 251 for k in range(4_000)) for n in range(40)]
    async with opened(engine, quota_bytes=100_000) as log:
        while log.extent.stored_bytes < 100_000:
            await log.append(entries(*noise[:5]))
        with pytest.raises(Unavailable) as caught:
            await log.append(entries(b"one more"))
        assert caught.value.status == 429
        assert caught.value.retry_after_s > 0
        last = log.extent.last
        assert await log.append([Entry(Kind.DELETION, b"{}")]) == last + 1
        await log.trim(Position(last + 2))
        assert await log.append(entries(b"again")) == last + 2


async def test_what_does_not_fit_into_the_queue_is_refused_and_the_rest_is_kept(
    engine: Engine,
) -> None:
    async with opened(engine, queue=QueueLimits(10_000, 5)) as log:
        results = await asyncio.gather(
            *[log.append(entries(b"x" * 3_000)) for _ in range(10)], return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, Unavailable)]
        assert 0 < len(refused) < 10
        assert {(error.status, error.retry_after_s) for error in refused} == {(503, 1)}
        assert len(await everything(log)) == 10 - len(refused)
        many = await asyncio.gather(
            *[log.append(entries(b"x")) for _ in range(10)], return_exceptions=True
        )
        assert sum(isinstance(result, Unavailable) for result in many) == 5


async def test_a_single_append_may_be_larger_than_the_queue(engine: Engine) -> None:
    async with opened(engine, queue=QueueLimits(100, 1)) as log:
        assert await log.append(entries(b"x" * 1_000, b"y")) == 2


async def test_whoever_gives_up_waiting_harms_nobody(engine: Engine) -> None:
    async with opened(engine) as log:
        impatient = asyncio.create_task(log.append(entries(b"one")))
        patient = asyncio.create_task(log.append(entries(b"two")))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait({impatient})
        assert await patient == 2
        assert await log.append(entries(b"three")) == 3


async def test_readers_and_writers_at_once_see_one_order(engine: Engine) -> None:
    async def follow(log: Log) -> list[Record]:
        found: list[Record] = []
        while len(found) < 300:
            after = found[-1].position if found else BEGINNING
            await log.wait(after)
            found += await log.read(after, 20_000)
        return found

    async def write(log: Log) -> None:
        for body in numbered(100):
            await log.append(entries(body))

    async with opened(engine) as log:
        both, *_ = await asyncio.gather(
            asyncio.gather(follow(log), follow(log)), write(log), write(log), write(log)
        )
        assert both[0] == both[1]
        assert positions(both[0]) == list(range(1, 301))


async def test_a_second_keeper_is_kept_out_of_a_log_in_postgres(tables: Tables) -> None:
    async with opened(tables) as log:
        await log.append(entries(b"one"))
        with pytest.raises(Unavailable):
            await tables.open()
