"""A home's own database: the cursor of `forward`, what is parked, what is deleted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roost.storage.engine import sqlite_url
from roost.storage.progress import Emptied, Parking, Progress, Settled, home_database

NOW = 1_790_000_000.0


def parking(ordinal: int) -> Parking:
    return Parking(1, ordinal, bytes(16), ordinal.to_bytes(8), "p", "because")


@pytest.fixture
async def progress(tmp_path: Path) -> AsyncIterator[Progress]:
    async with home_database(sqlite_url(tmp_path / "app.db")) as engine:
        yield Progress(engine, lambda: NOW)


async def test_a_new_home_stands_at_the_beginning(progress: Progress) -> None:
    assert await progress.cursor() == 0
    assert await progress.settled() == Settled()


async def test_the_cursor_moves_and_counts_add_up(progress: Progress) -> None:
    await progress.settle(3, Settled(confirmed=5))
    await progress.settle(7, Settled(confirmed=1, skipped=2, deleted=3))
    assert await progress.cursor() == 7
    assert await progress.settled() == Settled(6, 2, 3)


async def test_what_is_parked_twice_is_parked_once(progress: Progress) -> None:
    await progress.settle(1, Settled(), [parking(0), parking(1)])
    await progress.settle(1, Settled(), [parking(0)])
    rows = await progress.parked()
    assert [(row.parking, row.parked_at) for row in rows] == [(parking(0), NOW), (parking(1), NOW)]
    assert await progress.parked_count() == 2


async def test_parked_spans_are_listed_by_pages_and_let_go(progress: Progress) -> None:
    await progress.settle(1, Settled(), [parking(one) for one in range(5)])
    first = await progress.parked(limit=2)
    rest = await progress.parked(after=first[-1].id)
    assert [row.parking.ordinal for row in (*first, *rest)] == [0, 1, 2, 3, 4]
    await progress.unpark([row.id for row in rest])
    assert await progress.parked() == first


async def test_an_id_of_a_parked_span_is_not_given_again(progress: Progress) -> None:
    await progress.settle(1, Settled(), [parking(0)])
    (first,) = await progress.parked()
    await progress.unpark([first.id])
    await progress.settle(1, Settled(), [parking(1)])
    (second,) = await progress.parked()
    assert second.id > first.id


async def test_what_is_buried_stays_buried(progress: Progress) -> None:
    ids = [one.to_bytes(16) for one in range(1200)]
    await progress.bury(ids, 5)
    await progress.bury(ids[:1], 9)
    assert await progress.buried([*ids, bytes([7] * 16)]) == set(ids)


async def test_a_deletion_by_project_concerns_what_stands_before_it(progress: Progress) -> None:
    await progress.empty(Emptied("a", 5, None))
    await progress.empty(Emptied("b", 9, NOW))
    assert await progress.emptied(5) == [Emptied("b", 9, NOW)]


async def test_annotations_wait_in_order_until_they_are_taken(progress: Progress) -> None:
    await progress.keep_waiting(4, [b"one", b"two"])
    rows = await progress.waiting()
    assert [body for _, body in rows] == [b"one", b"two"]
    await progress.stop_waiting([rows[0][0]])
    assert [body for _, body in await progress.waiting()] == [b"two"]


async def test_an_epoch_lasts_as_long_as_the_home(tmp_path: Path) -> None:
    seen = []
    for name in ("app.db", "app.db", "other.db"):
        async with home_database(sqlite_url(tmp_path / name)) as engine:
            seen.append(await Progress(engine, lambda: NOW).epoch())
    assert seen[0] == seen[1] != seen[2]
