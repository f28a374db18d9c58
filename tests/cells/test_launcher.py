"""Both launchers keep one contract; only the zygote's own ways are tested apart."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cells.cellar import ACME, GLOBEX, Cellar, cellar, is_running, parent_of, shown_of, until

from roost.cells.environment import cell_environment
from roost.cells.launcher import LOG_BYTES, CellProcess, SpawnLauncher, listen_on_loopback, open_log
from roost.cells.zygote_launcher import ZygoteLauncher
from roost.errors import Unavailable
from roost.model import Tenant

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(params=["forked", "spawned"])
async def launched(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cellar]:
    async with cellar(tmp_path, fake=True, spawn=request.param == "spawned") as one:
        yield one


async def start(cells: Cellar, tenant: Tenant = ACME) -> CellProcess:
    """A process that serves."""
    launch = cells.launch(tenant, cell_environment(cells.spec(tenant, 0)))
    address = f"http://127.0.0.1:{launch.listener.getsockname()[1]}"
    with launch.listener:
        process = await cells.launcher.launch(launch)
    async with cells.session.get(f"{address}/readyz") as answer:
        assert (answer.status, int(await answer.text())) == (200, process.pid)
    return process


async def test_a_cell_serves_on_the_socket_that_it_was_given(launched: Cellar) -> None:
    process = await start(launched)
    assert is_running(process.pid)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGKILL, "ended by SIGKILL"), (signal.SIGTERM, "ended by SIGTERM")],
    ids=["killed", "asked to end"],
)
async def test_the_reason_of_an_end_is_told(
    launched: Cellar, number: signal.Signals, reason: str
) -> None:
    process = await start(launched)
    await launched.launcher.kill(process, number)
    assert str(await asyncio.wait_for(process.exited, 10)) == reason
    assert not is_running(process.pid)


async def test_an_exit_code_is_told_and_the_words_are_in_the_log(launched: Cellar) -> None:
    launched.fault(ACME, "exit")
    launch = launched.launch(ACME, cell_environment(launched.spec(ACME, 0)))
    with launch.listener:
        process = await launched.launcher.launch(launch)
        assert (await asyncio.wait_for(process.exited, 10)).code == 3
    assert "boom" in launch.log_path.read_text()


async def test_what_takes_more_memory_than_it_may_ends(launched: Cellar) -> None:
    launched.fault(ACME, "hungry")
    launch = launched.launch(ACME, cell_environment(launched.spec(ACME, 0)))
    with launch.listener:
        process = await launched.launcher.launch(launch)
        assert str(await asyncio.wait_for(process.exited, 10)) == "out of memory"


async def test_a_process_that_ended_can_be_killed_again(launched: Cellar) -> None:
    process = await start(launched)
    await launched.launcher.kill(process, signal.SIGKILL)
    await process.exited
    await launched.launcher.kill(process, signal.SIGKILL)


async def test_neither_environment_nor_files_of_a_cell_name_another_tenant(
    launched: Cellar,
) -> None:
    acme = await start(launched, ACME)
    globex = await start(launched, GLOBEX)
    for process, other in ((acme, GLOBEX), (globex, ACME)):
        seen = shown_of(process.pid)
        assert other.id not in seen
        assert f"/{other.slug}" not in seen


@pytest.mark.parametrize("kind", ["forked", "spawned"])
async def test_a_cell_ends_when_the_keeper_is_killed(
    kind: str, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    script = [sys.executable, "-m", "tests.cells.doomed_keeper", str(tmp_path / kind), kind]
    keeper = await asyncio.create_subprocess_exec(
        *script, stdout=asyncio.subprocess.PIPE, cwd=pytestconfig.rootpath
    )
    assert keeper.stdout is not None
    pids = [int(pid) for pid in (await keeper.stdout.readline()).split()]
    assert pids
    assert all(is_running(pid) for pid in pids)
    keeper.kill()
    await keeper.wait()
    await until(lambda: not any(is_running(pid) for pid in pids), "the cells ended")


async def test_a_killed_zygote_takes_its_cells_along_and_is_started_again(tmp_path: Path) -> None:
    async with cellar(tmp_path, fake=True) as one:
        process = await start(one)
        zygote = parent_of(process.pid)
        os.kill(zygote, signal.SIGKILL)
        assert str(await asyncio.wait_for(process.exited, 10)) == "its launcher died"
        again = await start(one)
        assert parent_of(again.pid) != zygote
        assert not is_running(process.pid)


async def test_whoever_waits_for_a_killed_zygote_is_told(tmp_path: Path) -> None:
    async with cellar(tmp_path, fake=True) as one:
        process = await start(one)
        zygote = parent_of(process.pid)
        os.kill(zygote, signal.SIGSTOP)
        launch = one.launch(GLOBEX, {})
        with launch.listener:
            waiting = asyncio.create_task(one.launcher.launch(launch))
            await asyncio.sleep(0)  # the task has asked
            os.kill(zygote, signal.SIGKILL)
            with pytest.raises(Unavailable, match="could not be started"):
                await asyncio.wait_for(waiting, 10)


async def test_where_a_fork_is_not_safe_cells_are_spawned(tmp_path: Path) -> None:
    async with cellar(tmp_path, fake=True, host={"FAKE_PHOENIX_THREAD": "1"}) as one:
        process = await start(one)
        assert parent_of(process.pid) == os.getpid()
        assert one.launcher.state.is_ready
        await one.launcher.kill(process, signal.SIGKILL)
        assert (await asyncio.wait_for(process.exited, 10)).signal == signal.SIGKILL


async def test_the_zygote_tells_how_far_it_is(tmp_path: Path) -> None:
    launcher = ZygoteLauncher(
        {"PYTHONPATH": "/nowhere"},
        tmp_path / "log",
        clock=lambda: 10.0,
        fallback=SpawnLauncher({}),
    )
    assert (launcher.state.phase, launcher.state.fraction) == ("starting Phoenix", 0)
    assert not launcher.state.is_ready
    await launcher.aclose()


def test_an_overlong_log_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "cell.log"
    log.write_bytes(b"." * (LOG_BYTES + 1))
    os.close(open_log(log))
    assert log.stat().st_size == 0
    assert (tmp_path / "cell.log.1").stat().st_size == LOG_BYTES + 1


def test_a_log_is_its_owners_and_follows_no_link(tmp_path: Path) -> None:
    os.close(open_log(tmp_path / "cell.log"))
    assert (tmp_path / "cell.log").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "cell.log")
    with pytest.raises(OSError, match="symbolic"):
        open_log(tmp_path / "link")


def test_nobody_else_can_listen_on_a_cells_port() -> None:
    with listen_on_loopback() as listener, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(listener.getsockname())
