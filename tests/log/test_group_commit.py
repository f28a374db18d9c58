"""What waits becomes one commit."""

import asyncio

import pytest

from roost.errors import Unavailable
from roost.log.base import Damaged, Entry, Kind, Position
from roost.log.group_commit import GroupCommit, QueueLimits
from roost.log.row import Stamped


class Disk:
    """Commits when the test lets it."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.last = 0
        self.may_go_on = asyncio.Event()
        self.fault: Exception | None = None

    async def commit(self, stamped: list[Stamped]) -> Position:
        self.groups.append([one.entry.body for one in stamped])
        await self.may_go_on.wait()
        if self.fault:
            raise self.fault
        self.last += len(stamped)
        return Position(self.last)


def entry(name: str) -> Entry:
    return Entry(Kind.SPANS, name.encode())


def group_commit(disk: Disk, limits: QueueLimits | None = None) -> GroupCommit:
    return GroupCommit(disk.commit, limits or QueueLimits(), lambda: 0.0)


async def test_all_that_comes_while_a_commit_runs_is_the_next_commit() -> None:
    disk = Disk()
    commits = group_commit(disk)
    first = asyncio.create_task(commits.append([entry("a")]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(commits.append([entry(n), entry(n * 2)])) for n in "bcd"]
    await asyncio.sleep(0)
    disk.may_go_on.set()
    assert await asyncio.gather(first, *others) == [1, 3, 5, 7]
    assert disk.groups == [[b"a"], [b"b", b"bb", b"c", b"cc", b"d", b"dd"]]


async def test_a_commit_that_fails_is_told_to_each_and_the_next_is_tried() -> None:
    disk = Disk()
    disk.may_go_on.set()
    disk.fault = Damaged("segment x is damaged", reason="why", retry_after_s=60)
    commits = group_commit(disk)
    told = await asyncio.gather(
        *[commits.append([entry(name)]) for name in "ab"], return_exceptions=True
    )
    assert [type(error) for error in told] == [Damaged, Damaged]
    assert told[0] is not told[1]
    assert {(str(error), getattr(error, "reason", "")) for error in told} == {
        ("segment x is damaged", "why")
    }
    disk.fault = None
    assert await commits.append([entry("c")]) == 1


async def test_a_fault_that_nobody_foresaw_leaves_nobody_waiting() -> None:
    disk = Disk()
    disk.may_go_on.set()
    disk.fault = ZeroDivisionError()
    with pytest.raises(Unavailable) as caught:
        await group_commit(disk).append([entry("a")])
    assert "ZeroDivisionError" in caught.value.reason


async def test_a_commit_that_hangs_is_not_waited_for_for_ever() -> None:
    disk = Disk()
    commits = group_commit(disk, QueueLimits(patience_s=0.01))
    with pytest.raises(Unavailable):
        await commits.append([entry("a")])
    disk.may_go_on.set()
    await commits.finish()
    assert await commits.append([entry("b")]) == 2
