"""What the log in files does beyond what every log does."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.log.power_loss import dice
from tests.log.recording_disk import RecordingDisk, Sync, SyncDirectory
from tests.log.test_base import everything

from roost.errors import Unavailable
from roost.log.base import BEGINNING, Damaged, Entry, Kind, Position
from roost.log.disk import Connection, Disk
from roost.log.segments import SegmentLimits, SegmentLog

SMALL = SegmentLimits(segment_bytes=40_000)


def noise(seed: int, size: int = 5_000) -> bytes:
    return dice(seed).randbytes(size)


def entry(body: bytes) -> Entry:
    return Entry(Kind.SPANS, body)


@asynccontextmanager
async def opened(
    directory: Path, limits: SegmentLimits = SMALL, disk: Disk | None = None
) -> AsyncIterator[SegmentLog]:
    log = await SegmentLog.open(directory, limits=limits, disk=disk)
    try:
        yield log
    finally:
        await log.aclose()


async def filled(directory: Path, count: int = 30) -> list[Path]:
    """The segments of a log of so many records."""
    async with opened(directory) as log:
        for n in range(count):
            await log.append([entry(noise(n))])
    return segments(directory)


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.db"))


async def test_a_full_segment_is_followed_by_one_named_by_its_first_record(tmp_path: Path) -> None:
    paths = await filled(tmp_path / "log")
    firsts = [int(path.stem) for path in paths]
    assert len(firsts) > 3
    assert firsts[0] == 1
    assert all(path.stat().st_size < 100_000 for path in paths)
    async with opened(tmp_path / "log") as log:
        await log.trim(Position(firsts[2] + 1))
        assert log.extent.first == firsts[2]
        assert log.extent.stored_bytes >= sum(p.stat().st_size for p in segments(tmp_path / "log"))
    assert segments(tmp_path / "log") == paths[2:]


async def test_the_directory_is_its_owners_alone(tmp_path: Path) -> None:
    async with opened(tmp_path / "home" / "log"):
        for path in (tmp_path / "home", tmp_path / "home" / "log"):
            assert path.stat().st_mode & 0o777 == 0o700


async def test_the_names_of_new_directories_are_durable_all_the_way_up(tmp_path: Path) -> None:
    disk = RecordingDisk(tmp_path)
    async with opened(tmp_path / "home" / "log", disk=disk):
        assert disk.notes[:2] == [SyncDirectory(), SyncDirectory()]
    disk.close()


@pytest.mark.parametrize("place", [2, 30], ids=["a sealed segment", "the newest"])
async def test_an_erased_body_is_in_no_file_any_more(tmp_path: Path, place: int) -> None:
    directory = tmp_path / "log"
    marker = noise(place - 1)[:64]
    async with opened(directory) as log:
        for n in range(30):
            await log.append([entry(noise(n))])
        await everything(log)
        assert any(marker in path.read_bytes() for path in directory.iterdir())
        await log.erase({Position(place): b"gone"})
        assert not any(marker in path.read_bytes() for path in directory.iterdir())
        assert (await everything(log))[place - 1].body == b"gone"
    assert not any(marker in path.read_bytes() for path in directory.iterdir())


class SlowCopies(Disk):
    """Rewriting the first segment waits until the test lets it."""

    def __init__(self) -> None:
        self.copying, self.copied = threading.Event(), threading.Event()
        self._is_made = False

    def connect(self, uri: str) -> Connection:
        if "00001.new?mode=rwc" in uri:
            if self._is_made:
                self.copying.set()
                assert self.copied.wait(30)
            self._is_made = True
        return super().connect(uri)


async def test_appends_go_on_while_a_segment_is_rewritten(tmp_path: Path) -> None:
    disk = SlowCopies()
    async with opened(tmp_path / "log", disk=disk) as log:
        for n in range(12):
            await log.append([entry(noise(n))])
        erasing = asyncio.create_task(log.erase({Position(1): b""}))
        assert await asyncio.to_thread(disk.copying.wait, 30)
        assert await log.append([entry(b"meanwhile")]) == 13
        assert len(await everything(log)) == 13
        await log.trim(Position(2))
        disk.copied.set()
        await erasing
        assert (await everything(log))[0].body == b""


async def test_a_segment_that_is_dropped_while_it_is_rewritten_stays_away(tmp_path: Path) -> None:
    disk = SlowCopies()
    async with opened(tmp_path / "log", disk=disk) as log:
        for n in range(12):
            await log.append([entry(noise(n))])
        erasing = asyncio.create_task(log.erase({Position(1): b""}))
        assert await asyncio.to_thread(disk.copying.wait, 30)
        await log.trim(Position(13))
        disk.copied.set()
        await erasing
        assert await everything(log) == []
    assert [path.suffix for path in (tmp_path / "log").iterdir()] == [".db"]


async def test_appends_that_come_together_share_one_sync(tmp_path: Path) -> None:
    disk = RecordingDisk(tmp_path)
    async with opened(tmp_path / "log", SegmentLimits(), disk) as log:
        await log.append([entry(b"the first makes the WAL")])
        before = len(disk.notes)
        await asyncio.gather(*[log.append([entry(b"%d" % n)]) for n in range(40)])
        assert sum(isinstance(note, Sync) for note in disk.notes[before:]) == 1
    disk.close()


async def test_a_reader_does_not_wait_for_the_writer(tmp_path: Path) -> None:
    async with opened(tmp_path / "log") as log:
        await log.append([entry(b"one")])
        (path,) = segments(tmp_path / "log")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            appending = asyncio.create_task(log.append([entry(b"two")]))
            assert len(await asyncio.wait_for(log.read(BEGINNING, 1_000), 3)) == 1
            assert not appending.done()
            other.execute("ROLLBACK")
        assert await appending == 2


class SmallDisk(Disk):
    """Databases that are written to get no larger than that."""

    def __init__(self, pages: int) -> None:
        self.pages = pages

    def connect(self, uri: str) -> Connection:
        connection = super().connect(uri)
        connection.execute(f"PRAGMA max_page_count={self.pages}").close()
        return connection


async def test_a_full_database_is_told_and_the_log_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    disk = SmallDisk(20)
    async with opened(tmp_path / "log", SegmentLimits(), disk) as log:
        taken = await until_full(log)
        assert len(await everything(log)) == taken
        with pytest.raises(Unavailable):
            await log.append([entry(noise(99))])
        disk.pages = 2_000
        assert await log.append([entry(b"room again")]) == taken + 1
    async with opened(tmp_path / "log") as log:
        assert len(await everything(log)) == taken + 1


@pytest.fixture
def small_file_system(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root on Linux may mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def test_a_full_disk_is_told_and_the_log_goes_on_when_there_is_room(
    small_file_system: Path,
) -> None:
    ballast = small_file_system / "ballast"
    ballast.write_bytes(bytes(300_000))
    async with opened(small_file_system / "log", SegmentLimits(segment_bytes=150_000)) as log:
        taken = await until_full(log)
        assert len(await everything(log)) == taken
        ballast.unlink()
        assert await log.append([entry(b"room again")]) == taken + 1
        await log.trim(Position(taken + 2))
        assert await log.append([entry(noise(1))]) == taken + 2
    async with opened(small_file_system / "log") as log:
        assert [record.body for record in await everything(log)] == [noise(1)]


async def until_full(log: SegmentLog) -> int:
    """How many records were taken."""
    with pytest.raises(Unavailable) as caught:  # noqa: PT012 which one it is does not matter
        for n in range(1_000):
            await log.append([entry(noise(n))])
    assert (caught.value.status, caught.value.retry_after_s) == (503, 30)
    return int(log.extent.last)


async def test_damage_in_a_body_is_named_when_it_is_read(tmp_path: Path) -> None:
    paths = await filled(tmp_path / "log")
    overwrite(paths[1], paths[1].read_bytes().index(noise(int(paths[1].stem) - 1)[100:140]))
    async with opened(tmp_path / "log") as log:
        await log.read(BEGINNING, 1)
        with pytest.raises(Damaged, match=paths[1].name):
            await log.read(Position(int(paths[1].stem) - 1), 10**9)
        assert await log.append([entry(b"still taken")])


async def test_every_segment_that_is_not_whole_is_named_at_once(tmp_path: Path) -> None:
    paths = await filled(tmp_path / "log")
    overwrite(paths[0], 0)
    os.truncate(paths[2], paths[2].stat().st_size // 2)
    with pytest.raises(Damaged) as caught:
        await SegmentLog.open(tmp_path / "log")
    assert paths[0].name in caught.value.message
    assert paths[2].name in caught.value.message
    assert paths[1].name not in caught.value.message


async def test_a_segment_that_is_missing_between_others_is_named(tmp_path: Path) -> None:
    paths = await filled(tmp_path / "log")
    paths[1].unlink()
    missing = f"records {int(paths[1].stem)} to {int(paths[2].stem) - 1} "
    with pytest.raises(Damaged, match=missing):
        await SegmentLog.open(tmp_path / "log")


async def test_a_segment_under_another_name_is_refused(tmp_path: Path) -> None:
    paths = await filled(tmp_path / "log", 3)
    paths[0].rename(paths[0].with_name(f"{5:020}.db"))
    with pytest.raises(Damaged, match="it begins with 1"):
        await SegmentLog.open(tmp_path / "log")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("whole") / "log"
    asyncio.run(filled(directory, 25))
    return directory


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 255))
def test_a_flipped_byte_is_told_or_harmless(whole: Path, which: int, at: int, flip: int) -> None:
    paths = segments(whole)
    path = paths[which % len(paths)]
    content = path.read_bytes()
    at %= len(content)
    path.write_bytes(content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :])
    try:
        asyncio.run(reads_right_or_says_so(whole))
    finally:
        path.write_bytes(content)


async def reads_right_or_says_so(directory: Path) -> None:
    with contextlib.suppress(Unavailable):
        async with opened(directory) as log:
            found = await everything(log)
            assert [record.body for record in found] == [noise(n) for n in range(25)]
            assert [record.kind for record in found] == [Kind.SPANS] * 25


def overwrite(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xaa" * 20)


async def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    acknowledged: dict[int, str] = {}
    for start in range(3):
        acknowledged |= await asyncio.to_thread(appended_until_killed, tmp_path / "log", start)
        async with opened(tmp_path / "log") as log:
            found = await everything(log)
        assert [record.position for record in found] == list(range(1, len(found) + 1))
        bodies = {record.position: record.body.partition(b" ")[0].decode() for record in found}
        assert {
            position: bodies.get(Position(position)) for position in acknowledged
        } == acknowledged
    assert len(acknowledged) >= 600


def appended_until_killed(directory: Path, start: int) -> dict[int, str]:
    """What a process acknowledged before its kill -9, by position."""
    program = Path(__file__).with_name("appender.py")
    command = [sys.executable, str(program), str(directory), f"{start}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(200)]
        process.kill()
        lines += process.stdout.readlines()
    told = [line.split() for line in lines if line.endswith("\n")]
    return {int(position): body for position, body in told}
