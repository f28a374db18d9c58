"""Chores go on, whatever happens in one of them."""

import asyncio
from contextlib import suppress

import pytest

from roost.ingest.upkeep import Chore, keep_up


async def test_a_chore_that_fails_is_told_of_and_done_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    async def fail() -> None:
        done.append("fail")
        raise OSError("no")

    async def work() -> None:
        done.append("work")
        if done.count("work") > 3 and done.count("fail") > 3:
            raise asyncio.CancelledError

    chores = [Chore("failing", fail, 0.001, 0), Chore("working", work, 0.001, 0)]
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await keep_up("acme", chores)
    assert done.count("fail") > 3
    assert done.count("work") > 3
    assert "failing in acme failed" in caplog.text
