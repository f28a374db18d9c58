"""Turns: few of a tenant at a time, none waits for ever, and nobody waits for another tenant."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from roost.errors import Unavailable
from roost.http.api.turns import Turns


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as some:
        yield some


async def test_work_is_done_on_a_thread(threads: ThreadPoolExecutor) -> None:
    apart = Turns(threads).of("acme")
    assert await apart(threading.current_thread) is not threading.current_thread()


async def test_few_of_a_tenant_are_at_work(threads: ThreadPoolExecutor) -> None:
    turns = Turns(threads, at_once=2)
    lock, now, most = threading.Lock(), 0, 0
    go_on = threading.Event()

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        go_on.wait(5)
        with lock:
            now -= 1

    apart = turns.of("acme")
    tasks = [asyncio.create_task(apart(work)) for _ in range(6)]
    assert await asyncio.wait_for(turns.of("globex")(lambda: "at once"), 5) == "at once"
    go_on.set()
    await asyncio.gather(*tasks)
    assert most == 2


async def test_whoever_comes_when_too_many_wait_is_told_to_come_again(
    threads: ThreadPoolExecutor,
) -> None:
    turns = Turns(threads, at_once=1, here_max=1)
    async with turns.taken("acme"):
        with pytest.raises(Unavailable) as refused:
            await turns.of("acme")(lambda: None)
        assert (refused.value.status, refused.value.retry_after_s) == (429, 2)
        await turns.of("globex")(lambda: None)


async def test_nobody_waits_for_ever(threads: ThreadPoolExecutor) -> None:
    turns = Turns(threads, at_once=1, wait_s=0.01)
    async with turns.taken("acme"):
        with pytest.raises(Unavailable, match="Too many"):
            await turns.of("acme")(lambda: None)
    await turns.of("acme")(lambda: None)


async def test_a_tenant_that_asks_nothing_is_forgotten(threads: ThreadPoolExecutor) -> None:
    turns = Turns(threads)
    for number in range(3):
        await turns.of(f"tenant-{number}")(lambda: None)
    assert not turns._queues
