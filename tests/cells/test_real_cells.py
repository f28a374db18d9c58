"""The real Phoenix, forked: one zygote for all of these tests."""

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession
from tests.cells.cellar import ACME, GLOBEX, Cellar, is_running, parent_of, shown_of, until

from roost.cells.states import RunningCell

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="forks"),
    pytest.mark.asyncio(loop_scope="session"),
]
LISTENING = "0A"


async def test_twenty_arrivals_start_one_cell_and_it_is_ours(real_cells: Cellar) -> None:
    async with real_cells.cells() as cells:
        arrived = await asyncio.gather(*(cells.wake(ACME) for _ in range(20)))
        assert len({running.pid for running in arrived}) == 1
        running = arrived[0]
        assert await status(real_cells.session, running, "/v1/projects") == 401
        assert await status(real_cells.session, running, "/v1/projects", with_secret=True) == 200
        assert (running.spec.working_dir / "phoenix.db").exists()


async def test_two_cells_know_nothing_of_each_other(real_cells: Cellar) -> None:
    """Environment, command line, open files, directory, listeners; secrets of one at the other."""
    async with real_cells.cells() as cells:
        acme, globex = await asyncio.gather(cells.wake(ACME), cells.wake(GLOBEX))
        for mine, other in ((acme, globex), (globex, acme)):
            shown = shown_of(mine.pid)
            assert mine.spec.tenant_id in shown
            assert other.spec.tenant_id not in shown
            assert listeners(mine.pid) == {("127.0.0.1", mine.spec.port)}
        headers = {"Authorization": f"Bearer {acme.admin_secret}"}
        async with real_cells.session.get(
            f"{globex.address}/v1/projects", headers=headers
        ) as answer:
            assert answer.status == 401
        assert ACME.id not in shown_of(parent_of(acme.pid)) + shown_of(os.getpid())


async def test_a_killed_cell_is_back_by_itself(real_cells: Cellar) -> None:
    async with real_cells.cells() as cells:
        before = await cells.wake(ACME)
        os.kill(before.pid, signal.SIGKILL)
        await until(lambda: real_cells.states(ACME).count("Up") == 2, "it was back", 30)
        after = await cells.wake(ACME)
        assert after.instance != before.instance
        assert await status(real_cells.session, after, "/readyz") == 200


async def test_a_stop_is_orderly(real_cells: Cellar) -> None:
    async with real_cells.cells() as cells:
        running = await cells.wake(ACME)
        await cells.stop(ACME.id)
        assert not is_running(running.pid)
        assert "Finished server process" in running.spec.log_path.read_text()


async def test_a_cell_is_its_owners_alone(real_cells: Cellar) -> None:
    async with real_cells.cells() as cells:
        running = await cells.wake(ACME)
        limits = limits_of(running.pid)
        assert re.search(rf"Max data size\s+{2 << 30}\s+{2 << 30}", limits)
        assert re.search(r"Max core file size\s+0\s+0", limits)
        for path in (running.spec.working_dir, running.spec.working_dir / "phoenix.db"):
            assert path.stat().st_mode & 0o077 == 0
        assert os.getsid(running.pid) == running.pid
        assert os.getpriority(os.PRIO_PROCESS, running.pid) > os.getpriority(os.PRIO_PROCESS, 0)


async def status(
    session: ClientSession, running: RunningCell, path: str, *, with_secret: bool = False
) -> int:
    headers = {"Authorization": f"Bearer {running.admin_secret}"} if with_secret else {}
    async with session.get(running.address + path, headers=headers) as answer:
        return answer.status


def limits_of(pid: int) -> str:
    return Path(f"/proc/{pid}/limits").read_text()


def listeners(pid: int) -> set[tuple[str, int]]:
    """Where a process listens, by address and port, over IPv4 and IPv6."""
    links = [
        str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()
    ]
    inodes = {link.removeprefix("socket:[").rstrip("]") for link in links if "socket:" in link}
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return {address(row[1]) for row in rows if row[3] == LISTENING and row[9] in inodes}


def address(text: str) -> tuple[str, int]:
    host, port = text.split(":")
    packed = bytes.fromhex(host)
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed[::-1]), int(port, 16)
    return host, int(port, 16)
