"""A log as a dictionary, and steps that a real one must answer as it does."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from tests.log.engines import Engine

from roost.log.base import BEGINNING, Entry, Kind, Log, Position, Record


@dataclass
class Model:
    bodies: dict[int, bytes] = field(default_factory=dict)
    last: int = 0
    first: int = 1

    def append(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            self.last += 1
            self.bodies[self.last] = body

    def check(self, records: Sequence[Record]) -> None:
        """They are consecutive, and each is what it should be."""
        at = [record.at for record in records]
        assert at == sorted(at)
        for place, record in enumerate(records):
            assert record.position == records[0].position + place
            assert record.body == self.bodies[record.position]


@dataclass
class Run:
    engine: Engine
    log: Log
    model: Model = field(default_factory=Model)


Step = Callable[[Run], Coroutine[Any, Any, None]]
body = st.binary(max_size=40) | st.integers(100, 9_000).map(lambda size: b"text " * (size // 5))
batch = st.lists(body, min_size=1, max_size=4)
place = st.integers(0, 60)


def append(bodies: Sequence[bytes]) -> Step:
    async def step(run: Run) -> None:
        run.model.append(bodies)
        assert await run.log.append([Entry(Kind.SPANS, one) for one in bodies]) == run.model.last

    return step


def together(batches: Sequence[Sequence[bytes]], after: int, limit_bytes: int) -> Step:
    """Appends at once, with a read among them."""

    async def step(run: Run) -> None:
        appends = [
            asyncio.create_task(run.log.append([Entry(Kind.SPANS, one) for one in bodies]))
            for bodies in batches
        ]
        found = await run.log.read(Position(after), limit_bytes)
        lasts = []
        for bodies in batches:
            run.model.append(bodies)
            lasts.append(run.model.last)
        assert await asyncio.gather(*appends) == lasts
        run.model.check(found)

    return step


def read(after: int, limit_bytes: int) -> Step:
    async def step(run: Run) -> None:
        records = await run.log.read(Position(after), limit_bytes)
        run.model.check(records)
        start = max(after + 1, run.model.first)
        assert [record.position for record in records[:1]] == (
            [start] if start <= run.model.last else []
        )

    return step


def get(positions: Sequence[int]) -> Step:
    async def step(run: Run) -> None:
        found = await run.log.get([Position(one) for one in positions])
        there = {one for one in positions if run.model.first <= one <= run.model.last}
        assert {position: record.body for position, record in found.items()} == {
            one: run.model.bodies[one] for one in there
        }

    return step


def trim(before: int) -> Step:
    async def step(run: Run) -> None:
        await run.log.trim(Position(before))
        first = run.log.extent.first
        assert run.model.first <= first <= max(before, run.model.first)
        if before > run.model.last:
            assert first == run.model.last + 1
        run.model.first = first

    return step


def erase(bodies: Mapping[int, bytes]) -> Step:
    async def step(run: Run) -> None:
        await run.log.erase({Position(one): new for one, new in bodies.items()})
        run.model.bodies.update(
            {one: new for one, new in bodies.items() if one in run.model.bodies}
        )

    return step


async def reopen(run: Run) -> None:
    await run.log.aclose()
    run.log = await run.engine.open()


step = st.one_of(
    st.builds(append, batch),
    st.builds(together, st.lists(batch, min_size=2, max_size=5), place, st.integers(0, 20_000)),
    st.builds(read, place, st.integers(0, 20_000)),
    st.builds(get, st.lists(place, max_size=5)),
    st.builds(trim, place),
    st.builds(erase, st.dictionaries(place, body, min_size=1, max_size=4)),
    st.just(reopen),
)


async def run_all(engine: Engine, steps: Sequence[Step]) -> None:
    run = Run(engine, await engine.open())
    try:
        for one in steps:
            await one(run)
            assert run.log.extent.last == run.model.last
        for _ in range(2):
            await whole(run)
            await reopen(run)
    finally:
        await run.log.aclose()


async def whole(run: Run) -> None:
    records = await run.log.read(BEGINNING, 10**9)
    run.model.check(records)
    assert [record.position for record in records] == list(
        range(run.model.first, run.model.last + 1)
    )
