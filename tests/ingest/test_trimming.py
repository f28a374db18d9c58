"""The log lets go of what everybody has read, over a real log of small segments."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from roost.ingest.trimming import Keep, Trimming, first_since
from roost.log.base import Entry, Kind, Log, Position, Record
from roost.log.segments import SegmentLimits, SegmentLog

PIECE = 64 * 1024
COUNT = 40


@asynccontextmanager
async def full_log(path: Path) -> AsyncIterator[SegmentLog]:
    """Record n is taken at n seconds; what is in it does not deflate."""
    seconds = iter(range(1, 10 * COUNT))
    log = await SegmentLog.open(
        path, limits=SegmentLimits(segment_bytes=PIECE), clock=lambda: float(next(seconds))
    )
    try:
        for number in range(1, COUNT + 1):
            await log.append([Entry(Kind.SPANS, noise(number))])
        yield log
    finally:
        await log.aclose()


def noise(number: int) -> bytes:
    state, out = number, bytearray()
    for _ in range(16 * 1024):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(state >> 56)
    return bytes(out)


def trimming(
    log: Log,
    keep_bytes: int,
    settled: Callable[[], Position],
    *,
    all_forwarded: bool = True,
    retention_s: float = 0,
    now: float = 0,
) -> Trimming:
    # A segment is a little larger than its limit, by the record that filled it.
    keep = Keep(keep_bytes, 2 * PIECE, all_forwarded, retention_s)
    return Trimming(log, keep, settled, lambda: now)


async def test_what_is_too_much_goes_and_not_less_than_asked_is_kept(tmp_path: Path) -> None:
    async with full_log(tmp_path / "log") as log:
        stored = log.extent.stored_bytes
        await trimming(log, stored // 2, lambda: log.extent.last).run_once()
        assert log.extent.first > 1
        assert stored // 2 <= log.extent.stored_bytes < stored // 2 + 3 * PIECE


async def test_nothing_goes_while_there_is_room(tmp_path: Path) -> None:
    async with full_log(tmp_path / "log") as log:
        await trimming(log, log.extent.stored_bytes, lambda: log.extent.last).run_once()
        assert log.extent.first == 1


async def test_nothing_goes_that_a_reader_has_still_to_read(tmp_path: Path) -> None:
    async with full_log(tmp_path / "log") as log:
        await trimming(log, 0, lambda: Position(10)).run_once()
        assert 1 < log.extent.first <= 11


async def test_where_spans_are_kept_from_phoenix_retention_decides(tmp_path: Path) -> None:
    async with full_log(tmp_path / "log") as log:
        end = log.extent.last
        for_ever = trimming(log, 0, lambda: end, all_forwarded=False, now=1_000)
        await for_ever.run_once()
        assert log.extent.first == 1
        recent = trimming(log, 0, lambda: end, all_forwarded=False, retention_s=30, now=50)
        await recent.run_once()
        (oldest,) = await log.read(Position(0), 1)
        assert oldest.position > 1
        assert await first_since(log, 20) >= oldest.position
        assert oldest.at <= 20


async def test_records_are_found_by_their_time(tmp_path: Path) -> None:
    async with full_log(tmp_path / "log") as log:
        records = [record async for record in everything(log)]
        for wanted in (records[0], records[17], records[-1]):
            assert await first_since(log, wanted.at) == wanted.position
        assert await first_since(log, records[-1].at + 1) == log.extent.last + 1


async def everything(log: Log) -> AsyncIterator[Record]:
    for record in await log.read(Position(0), 2**30):
        yield record
