"""Retention, erasing and trimming in a home that is open."""

from pathlib import Path

from tests.http.reconcile_world import World, world
from tests.index.amended import START_NS, span

from roost.http.home_upkeep import Upkeep, UpkeepTerms, chores_of
from roost.ingest.retention import DAY_S
from roost.ingest.upkeep import Chore
from roost.log.base import BEGINNING, Kind
from roost.log.records import Annotation, Deletion
from roost.storage.marks import Marks

MARKER = "the-secret-of-acme"
START_S = START_NS / 10**9


def chores(one: World, terms: UpkeepTerms, now: float) -> dict[str, Chore]:
    found = chores_of(one.home, Marks(one.home.progress.engine), {}, terms, lambda: now)
    return {chore.name: chore for chore in found}


async def test_what_is_too_old_leaves_index_cell_and_log(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        late = START_NS + int(40 * DAY_S) * 10**9
        await one.take(span(1, 1, input__value=MARKER), span(2, 2, start_ns=late))
        todo = chores(one, UpkeepTerms(retention_days=30), START_S + 31 * DAY_S)
        await todo["retention"].act()
        await one.home.index.reached(one.home.log.extent.last)
        await one.settled()
        await todo["erasing"].act()
        assert list(await one.traces()) == ["02"]
        records = await one.home.log.read(BEGINNING, 2**30)
        bodies = b"".join(record.body for record in records if record.kind is Kind.SPANS)
        assert MARKER.encode() not in bodies
        assert b"span 2" in bodies


async def test_erasing_forgets_annotations_that_waited_for_the_deleted(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        target = (9).to_bytes(8).hex()
        await one.annotate(Annotation("span", target, "quality", explanation=MARKER))
        assert await one.home.progress.waiting_count() == 1
        await one.home.delete(Deletion(spans=(target,)))
        await one.home.index.reached(one.home.log.extent.last)
        await one.settled()
        await chores(one, UpkeepTerms(), START_S)["erasing"].act()
        assert await one.home.progress.waiting_count() == 0
        records = await one.home.log.read(BEGINNING, 2**30)
        assert not any(MARKER.encode() in record.body for record in records)


async def test_what_all_have_read_is_trimmed(tmp_path: Path) -> None:
    async with world(tmp_path, segment_bytes=8 * 1024) as one:
        for number in range(1, 60):
            await one.take(span(number, number, input__value=str(number) * 200), settle=False)
        await one.settled()
        stored = one.home.log.extent.stored_bytes
        terms = UpkeepTerms(keep_bytes=stored // 2, piece_bytes=16 * 1024)
        await chores(one, terms, START_S)["trimming"].act()
        assert one.home.log.extent.first > 1
        assert one.home.log.extent.stored_bytes >= stored // 2
        upkeep = Upkeep(one.home, Marks(one.home.progress.engine))
        assert upkeep.settled() == one.home.log.extent.last
