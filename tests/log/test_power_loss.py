"""The power goes at every single write and sync: what was acknowledged is there, exactly once."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from tests.log.power_loss import crashes, dice
from tests.log.recording_disk import Create, Note, RecordingDisk, Rename, Said, SyncDirectory

from roost.log.base import BEGINNING, Entry, Kind, Position
from roost.log.segments import SegmentLimits, SegmentLog

SMALL = SegmentLimits(segment_bytes=40_000)
SECRET = b"ann's card is 4000 1234"


@dataclass(frozen=True)
class Asked:
    """An append is under way."""

    bodies: Sequence[bytes]


@dataclass(frozen=True)
class Acknowledged:
    last: int


@dataclass(frozen=True)
class Trimming:
    before: int


@dataclass(frozen=True)
class Erasing:
    positions: Sequence[int]


@dataclass(frozen=True)
class Erased:
    pass


@dataclass
class Promise:
    """What the log has said so far."""

    bodies: dict[int, bytes] = field(default_factory=dict)
    ends: list[int] = field(default_factory=lambda: [0])
    acknowledged: int = 0
    trimmed_before: int = 1
    erasing: list[int] = field(default_factory=list)
    erased: list[int] = field(default_factory=list)

    def hear(self, what: object) -> None:
        match what:
            case Asked(bodies):
                for position, body in enumerate(bodies, self.ends[-1] + 1):
                    self.bodies[position] = body
                self.ends.append(self.ends[-1] + len(bodies))
            case Acknowledged(last):
                self.acknowledged = last
            case Trimming(before):
                self.trimmed_before = before
            case Erasing(positions):
                self.erasing = list(positions)
            case Erased():
                self.erased += self.erasing
                self.erasing = []

    def allows(self, position: int, body: bytes) -> bool:
        if position in self.erased:
            return body == b""
        return body == self.bodies[position] or (position in self.erasing and body == b"")


class Narrator:
    """Does something to a log and notes what it promises, between the notes of the disk."""

    def __init__(self, log: SegmentLog, disk: RecordingDisk) -> None:
        self._log = log
        self._disk = disk

    async def append(self, *bodies: bytes) -> None:
        self._disk.say(Asked(bodies))
        self._disk.say(Acknowledged(await self._log.append([Entry(Kind.SPANS, b) for b in bodies])))

    async def trim(self, before: int) -> None:
        self._disk.say(Trimming(before))
        await self._log.trim(Position(before))

    async def erase(self, *positions: int) -> None:
        self._disk.say(Erasing(positions))
        await self._log.erase({Position(one): b"" for one in positions})
        self._disk.say(Erased())


@pytest.fixture
def fast_directory() -> Iterator[Path]:
    """In memory where there is such a place: thousands of crashed logs are opened here."""
    memory = Path("/dev/shm")  # noqa: S108 only a place for tests
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@contextmanager
def recording(directory: Path) -> Iterator[RecordingDisk]:
    directory.mkdir(exist_ok=True)
    disk = RecordingDisk(directory)
    try:
        yield disk
    finally:
        disk.close()


@asynccontextmanager
async def opened(directory: Path, disk: RecordingDisk) -> AsyncIterator[SegmentLog]:
    log = await SegmentLog.open(directory, limits=SMALL, disk=disk, clock=lambda: 1.0)
    try:
        yield log
    finally:
        await log.aclose()


def noise(seed: int, size: int) -> bytes:
    return dice(seed).randbytes(size)


async def a_day(directory: Path, disk: RecordingDisk) -> None:
    """Appends over several segments, with reads, a trim, erasures and a new start among them."""
    async with opened(directory, disk) as log:
        do = Narrator(log, disk)
        for n in range(6):
            await do.append(noise(n, 7_000), b"small %d" % n)
            await do.append(b"after %d" % n)
            await log.read(BEGINNING, 10_000)
        await do.append(SECRET * 3)
        await do.erase(19)
        await do.append(noise(50, 9_000))
        await do.trim(6)
        await do.append(b"one", noise(51, 30_000), b"three")
    async with opened(directory, disk) as log:
        do = Narrator(log, disk)
        await asyncio.gather(log.read(BEGINNING, 10**9), do.append(noise(52, 20_000)))
        await do.erase(7, 20)
        await do.trim(10**6)
        await do.append(b"after all was trimmed")


async def survives(files: Mapping[str, bytes], directory: Path, promise: Promise) -> None:
    lay_out(files, directory)
    log = await SegmentLog.open(directory, limits=SMALL)
    try:
        await keeps(log, promise)
        lacks_what_was_erased(directory, promise)
        found = await log.read(BEGINNING, 10**9)
        assert await log.append([Entry(Kind.SPANS, b"next")]) == log.extent.last
        assert (await log.read(BEGINNING, 10**9))[:-1] == found
    finally:
        await log.aclose()


async def keeps(log: SegmentLog, promise: Promise) -> None:
    first, last = log.extent.first, log.extent.last
    assert promise.acknowledged <= last
    assert last in promise.ends
    assert first <= max(1, promise.trimmed_before)
    records = await log.read(BEGINNING, 10**9)
    assert [record.position for record in records] == list(range(first, last + 1))
    for record in records:
        assert promise.allows(record.position, record.body), record.position


def lacks_what_was_erased(directory: Path, promise: Promise) -> None:
    for position in promise.erased:
        for path in directory.iterdir():
            assert promise.bodies[position] not in path.read_bytes(), (position, path.name)


async def crash_everywhere(
    files: Sequence[Path], notes: Sequence[Note], scratch: Path, promise: Promise
) -> int:
    """How many crashes there were."""
    heard = done = 0
    for count, outcome in crashes(files, notes, dice(7)):
        for note in notes[heard:count]:
            if isinstance(note, Said):
                promise.hear(note.what)
        heard = count
        done += 1
        try:
            await survives(outcome, scratch / f"{done}", promise)
        except Exception as error:
            error.add_note(f"crash {done}, behind note {count}: {notes[count - 1]!r}")
            raise
    return done


async def test_nothing_acknowledged_is_lost_wherever_the_power_goes(
    tmp_path: Path, fast_directory: Path
) -> None:
    with recording(tmp_path / "log") as disk:
        await a_day(tmp_path / "log", disk)
    done = await crash_everywhere([], disk.notes, fast_directory, Promise())
    assert done > 500


async def test_a_new_segment_has_a_durable_name_before_it_is_written_to(tmp_path: Path) -> None:
    with recording(tmp_path / "log") as disk:
        await a_day(tmp_path / "log", disk)
    begun = [note for note in disk.notes if isinstance(note, Create | Rename | SyncDirectory)]
    for rename, then in pairwise(begun):
        if isinstance(rename, Rename):
            assert isinstance(then, SyncDirectory)


async def test_a_crash_while_a_crash_is_mended_loses_nothing(
    tmp_path: Path, fast_directory: Path
) -> None:
    with recording(tmp_path / "log") as disk:
        await a_day(tmp_path / "log", disk)
    all_crashes = list(crashes([], disk.notes, dice(11)))
    for count, outcome in dice(12).sample(all_crashes, 6):
        promise = Promise()
        for note in disk.notes[:count]:
            if isinstance(note, Said):
                promise.hear(note.what)
        await mended(outcome, tmp_path / f"{count}", fast_directory / f"{count}", promise)


async def mended(
    files: Mapping[str, bytes], directory: Path, scratch: Path, promise: Promise
) -> None:
    """Open what a crash left and append to it, with a crash at every step of that too."""
    lay_out(files, directory, scratch / "before")
    with recording(directory) as disk:
        async with opened(directory, disk) as log:
            promise.ends.append(log.extent.last)
            await Narrator(log, disk).append(noise(60, 50_000))
            await Narrator(log, disk).append(b"another")
    await crash_everywhere(sorted((scratch / "before").iterdir()), disk.notes, scratch, promise)


def lay_out(files: Mapping[str, bytes], *directories: Path) -> None:
    for directory in directories:
        directory.mkdir(parents=True)
        for name, content in files.items():
            (directory / name).write_bytes(content)
