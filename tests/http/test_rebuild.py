"""An index that is made anew while the old one answers."""

import asyncio
from pathlib import Path

from tests.cells.cellar import until
from tests.http.reconcile_world import World, world
from tests.index.amended import call, contents, span

from roost.index.generations import current
from roost.log.base import Position
from roost.log.records import Annotation, Deletion

PLAYED, PLAYED_SPAN = "f1" * 16, "f2" * 8


async def rebuilt(one: World) -> None:
    one.rebuilder.start()
    await until(lambda: one.rebuilder.state().over, "the index was built")
    assert one.rebuilder.state().fault == ""


def held(one: World) -> dict[str, list[tuple[object, ...]]]:
    return contents(one.home.index.index)


async def test_it_holds_the_same_and_goes_on_from_there(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(call(1, 1, user="ann", session="chat"), span(2, 2))
        await one.annotate(Annotation("span", (1).to_bytes(8).hex(), "quality", label="good"))
        one.file.span(PLAYED, PLAYED_SPAN, project="playground")
        await one.look()
        before, old = held(one), one.home.index.index
        await rebuilt(one)
        assert one.home.index.index is not old
        assert held(one) == before
        await one.take(span(3, 3))
        assert sorted(await one.traces()) == ["01", "02", "03", "f1"]
        assert [file.name for file in sorted(path_of(one).glob("index*.db"))] == ["index.1.db"]


async def test_the_old_one_answers_until_then(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        for number in range(1, 200):
            await one.take(span(number, number), settle=False)
        one.rebuilder.start()
        while not one.rebuilder.state().over:
            assert len(await one.traces()) == 199
            await asyncio.sleep(0)
        assert len(await one.traces()) == 199


async def test_it_is_the_one_that_is_opened_next_time(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1))
        await rebuilt(one)
        await rebuilt(one)
        directory = path_of(one)
    assert current(directory).name == "index.2.db"
    async with world(tmp_path) as one:
        assert list(await one.traces()) == ["01"]


async def test_what_was_deleted_stays_deleted_though_the_log_has_forgotten(tmp_path: Path) -> None:
    async with world(tmp_path, segment_bytes=8 * 1024) as one:
        await one.take(span(1, 1))
        await one.home.delete(Deletion(traces=((1).to_bytes(16).hex(),)))
        for number in range(2, 60):
            await one.take(span(number, number, input__value=str(number) * 200), settle=False)
        await one.settled()
        await one.home.log.trim(Position(40))
        await rebuilt(one)
        await one.take(span(1, 1))
        assert "01" not in await one.traces()
        assert len(await one.traces()) == 58


async def test_without_phoenix_it_says_what_is_missing(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1))
        one.file.path.rename(one.file.path.with_suffix(".gone"))
        one.rebuilder.start()
        await until(lambda: one.rebuilder.state().over, "the index was built")
        assert "Phoenix could not be read" in one.rebuilder.state().note
        assert list(await one.traces()) == ["01"]


def test_one_that_was_not_finished_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "index.db").touch()
    (tmp_path / "index.building.db").touch()
    (tmp_path / "index.building.db-wal").touch()
    assert current(tmp_path) == tmp_path / "index.db"
    assert [file.name for file in tmp_path.iterdir()] == ["index.db"]


def path_of(one: World) -> Path:
    return one.rebuilder.directory
