import asyncio
import threading

import pytest

from roost.errors import Unavailable
from roost.ingest.workbench import INLINE_BYTES, Workbench


async def test_small_work_is_done_at_once_and_large_work_beside_the_loop() -> None:
    bench, here = Workbench(), threading.get_ident()
    assert await bench.run(INLINE_BYTES, threading.get_ident) == here
    assert await bench.run(INLINE_BYTES + 1, threading.get_ident) != here


async def test_more_than_may_wait_is_told_to_come_again() -> None:
    bench, begun, go_on = Workbench(at_once=1, waiting_max=2), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(20)

    running = [asyncio.create_task(bench.run(INLINE_BYTES + 1, work)) for _ in range(2)]
    await asyncio.to_thread(begun.wait, 20)
    with pytest.raises(Unavailable) as caught:
        await bench.run(INLINE_BYTES + 1, work)
    assert caught.value.retry_after_s > 0
    assert await bench.run(1, lambda: "small") == "small"
    go_on.set()
    await asyncio.gather(*running)
    assert await bench.run(INLINE_BYTES + 1, lambda: "large") == "large"


async def test_what_work_raises_is_raised() -> None:
    def work() -> None:
        raise ValueError("no")

    bench = Workbench(at_once=1, waiting_max=1)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await bench.run(INLINE_BYTES + 1, work)
