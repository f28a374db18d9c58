"""Managed cells that go wrong, get crowded or are not needed, on a Phoenix that fails on demand.

The real Phoenix is in `test_real_cells.py`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.cells.cellar import ACME, GLOBEX, Cellar, cellar, is_running, until

from roost.cells.managed import ManagedCells
from roost.cells.starter import CellLimits
from roost.cells.states import Asleep, Up, Waking
from roost.errors import Unavailable
from roost.model import Slug, Tenant, TenantId

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="forks"),
    pytest.mark.asyncio(loop_scope="module"),
]
QUICK = CellLimits(start_timeout_s=10, stop_grace_s=5, evictable_after_s=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def faulty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cellar]:
    async with cellar(tmp_path_factory.mktemp("cellar"), fake=True) as one:
        yield one


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> Tenant:
    """One of its own for each test: no fault or database is left to the next."""
    return Tenant(TenantId(f"t-{abs(hash(request.node.name))}"), Slug("acme"), "Acme")


def kill_cell(cells: ManagedCells, tenant: Tenant) -> None:
    state = cells.state(tenant.id)
    assert isinstance(state, Up)
    os.kill(state.running.pid, signal.SIGKILL)


def is_up(cells: ManagedCells, tenant: Tenant) -> bool:
    return isinstance(cells.state(tenant.id), Up)


async def test_all_who_arrive_get_the_one_cell_that_was_started(
    faulty: Cellar, tenant: Tenant
) -> None:
    async with faulty.cells(QUICK) as cells:
        arrived = await asyncio.gather(*(cells.wake(tenant) for _ in range(20)))
        assert len({running.instance for running in arrived}) == 1
        assert faulty.states(tenant) == ["Waking", "Up"]


async def test_a_cell_that_nobody_asked_for_sleeps(faulty: Cellar, tenant: Tenant) -> None:
    async with faulty.cells(QUICK) as cells:
        assert cells.state(tenant.id) == Asleep()
        await cells.stop(tenant.id)
        cells.touch(tenant.id)
        with cells.hold(tenant.id):
            assert cells.last_exit(tenant.id) == ""


async def test_a_caller_who_gives_up_does_not_stop_the_start(
    faulty: Cellar, tenant: Tenant
) -> None:
    async with faulty.cells(QUICK) as cells:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cells.wake(tenant), 0)
        impatient = asyncio.create_task(cells.wake(tenant))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await cells.wake(tenant)).pid


async def test_a_killed_cell_is_back_at_once_under_another_instance(
    faulty: Cellar, tenant: Tenant
) -> None:
    async with faulty.cells(QUICK) as cells:
        before = await cells.wake(tenant)
        kill_cell(cells, tenant)
        await until(lambda: faulty.states(tenant).count("Up") == 2, "it was back", 5)
        after = await cells.wake(tenant)
        assert (after.instance, after.pid) != (before.instance, before.pid)
        assert cells.last_exit(tenant.id) == "ended by SIGKILL"
        assert faulty.states(tenant) == ["Waking", "Up", "Failed", "Waking", "Up"]


async def test_from_the_second_time_on_it_waits_and_says_for_how_long(
    faulty: Cellar, tenant: Tenant
) -> None:
    async with faulty.cells(QUICK) as cells:
        await cells.wake(tenant)
        kill_cell(cells, tenant)
        await until(lambda: faulty.states(tenant).count("Up") == 2, "it was back", 5)
        kill_cell(cells, tenant)
        await until(lambda: faulty.states(tenant).count("Failed") == 2, "it failed")
        with pytest.raises(Unavailable) as refused:
            await cells.wake(tenant)
        assert (refused.value.retry_after_s, refused.value.reason) == (1, "ended by SIGKILL")
        await until(lambda: is_up(cells, tenant), "it was back by itself", 5)


async def test_a_cell_that_cannot_start_tells_its_last_words_to_the_operator_only(
    faulty: Cellar, tenant: Tenant
) -> None:
    faulty.fault(tenant, "exit")
    async with faulty.cells(QUICK) as cells:
        with pytest.raises(Unavailable) as refused:
            await cells.wake(tenant)
        assert refused.value.reason == "ended with exit code 3: boom: the disk is full"
        assert "boom" not in refused.value.message
        assert "boom" in cells.log_path(tenant).read_text()


async def test_a_mended_cell_starts_for_the_next_caller(faulty: Cellar, tenant: Tenant) -> None:
    faulty.fault(tenant, "exit")
    async with faulty.cells(QUICK) as cells:
        with pytest.raises(Unavailable):
            await cells.wake(tenant)
        faulty.fault(tenant, "")
        assert (await cells.wake(tenant)).pid


async def test_a_peer_that_lets_strangers_in_is_not_our_cell(
    faulty: Cellar, tenant: Tenant
) -> None:
    faulty.fault(tenant, "open")
    async with faulty.cells(QUICK) as cells:
        with pytest.raises(Unavailable) as refused:
            await cells.wake(tenant)
        assert refused.value.reason == "asked without secret it answered 200, with it 200"


async def test_a_start_that_never_ends_is_given_up(faulty: Cellar, tenant: Tenant) -> None:
    faulty.fault(tenant, "silent")
    async with faulty.cells(CellLimits(start_timeout_s=0.5, stop_grace_s=5)) as cells:
        with pytest.raises(Unavailable) as refused:
            await cells.wake(tenant)
        assert refused.value.reason == "its start took more than 0.5 s"


async def test_a_home_that_cannot_be_written_is_a_failure_like_others(
    faulty: Cellar, tenant: Tenant
) -> None:
    home = faulty.spec(tenant, 0).home
    home.parent.mkdir(parents=True, exist_ok=True)
    home.write_text("not a directory")
    async with faulty.cells(QUICK) as cells:
        with pytest.raises(Unavailable) as refused:
            await cells.wake(tenant)
        assert "Not a directory" in refused.value.reason


async def test_a_stopped_cell_is_gone_and_wakes_again(faulty: Cellar, tenant: Tenant) -> None:
    async with faulty.cells(QUICK) as cells:
        running = await cells.wake(tenant)
        await asyncio.gather(cells.stop(tenant.id), cells.stop(tenant.id))
        assert not is_running(running.pid)
        assert faulty.states(tenant) == ["Waking", "Up", "Stopping", "Asleep"]
        assert (await cells.wake(tenant)).instance != running.instance


async def test_who_arrives_while_it_stops_gets_a_new_one(faulty: Cellar, tenant: Tenant) -> None:
    async with faulty.cells(QUICK) as cells:
        running = await cells.wake(tenant)
        stopping = asyncio.create_task(cells.stop(tenant.id))
        await until(lambda: faulty.states(tenant)[-1] == "Stopping", "it was stopping")
        assert (await cells.wake(tenant)).instance != running.instance
        await stopping


async def test_a_stop_while_it_wakes_tells_those_who_wait(faulty: Cellar, tenant: Tenant) -> None:
    async with faulty.cells(QUICK) as cells:
        waiting = asyncio.create_task(cells.wake(tenant))
        await until(lambda: isinstance(cells.state(tenant.id), Waking), "it was waking")
        await cells.stop(tenant.id)
        with pytest.raises(Unavailable, match="was stopped"):
            await waiting
        assert cells.state(tenant.id) == Asleep()


async def test_a_cell_that_does_not_want_to_end_is_killed(faulty: Cellar, tenant: Tenant) -> None:
    faulty.fault(tenant, "deaf")
    async with faulty.cells(CellLimits(stop_grace_s=0.2)) as cells:
        running = await cells.wake(tenant)
        await cells.stop(tenant.id)
        assert not is_running(running.pid)


async def test_an_unused_cell_is_stopped_and_a_held_one_is_not(
    faulty: Cellar, tenant: Tenant
) -> None:
    faulty.clock.now = 1000.0
    try:
        async with faulty.cells(CellLimits(idle_after_s=60)) as cells:
            await cells.wake(tenant)
            faulty.clock.now = 1059.0
            await cells.stop_idle()
            assert is_up(cells, tenant)
            with cells.hold(tenant.id):
                faulty.clock.now = 2000.0
                await cells.stop_idle()
                assert is_up(cells, tenant)
            await cells.stop_idle()
            assert is_up(cells, tenant)
            faulty.clock.now = 2061.0
            await cells.stop_idle()
            assert cells.state(tenant.id) == Asleep()
    finally:
        faulty.clock.now = None


async def test_the_least_recently_used_cell_makes_room(faulty: Cellar, tenant: Tenant) -> None:
    async with faulty.cells(CellLimits(awake_max=2, evictable_after_s=0)) as cells:
        for one in (ACME, GLOBEX, ACME):
            await cells.wake(one)
        await cells.wake(tenant)
        assert (is_up(cells, ACME), is_up(cells, GLOBEX)) == (True, False)


async def test_where_all_are_in_use_the_next_is_refused(faulty: Cellar, tenant: Tenant) -> None:
    async with faulty.cells(CellLimits(awake_max=1, evictable_after_s=0)) as cells:
        await cells.wake(ACME)
        with cells.hold(ACME.id), pytest.raises(Unavailable, match="in use"):
            await cells.wake(tenant)
        assert cells.state(tenant.id) == Asleep()


async def test_a_forgotten_tenant_has_no_past(faulty: Cellar, tenant: Tenant) -> None:
    async with faulty.cells(QUICK) as cells:
        running = await cells.wake(tenant)
        await cells.forget(tenant.id)
        assert not is_running(running.pid)
        assert cells.last_exit(tenant.id) == ""


async def test_while_phoenix_is_imported_that_is_what_is_shown(tmp_path: Path) -> None:
    async with cellar(tmp_path, fake=True) as one, one.cells(QUICK) as cells:
        waiting = asyncio.create_task(cells.wake(ACME))
        await until(lambda: isinstance(cells.state(ACME.id), Waking), "it was waking")
        state = cells.state(ACME.id)
        assert isinstance(state, Waking)
        assert state.phase == "starting Phoenix"
        await waiting
