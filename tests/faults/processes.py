"""Which processes a running Roost has, as /proc tells, and what becomes of them."""

import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

from tests.cells.cellar import is_running
from tests.cells.stock_phoenix import until
from tests.installation import Installation


def tree(root: int) -> list[int]:
    """That process and all below it, parents first."""
    found = [root]
    for task in Path(f"/proc/{root}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += tree(int(child))
    return found


def kind_of(pid: int) -> str:
    """`up`, `keeper`, `zygote` or `cell`."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    if b"roost.cells.zygote" not in command:
        return "keeper" if b"keeper" in command else "up"
    return "cell" if Path(f"/proc/{pid}/comm").read_text() == "roost-cell\n" else "zygote"


def processes(roost: Installation) -> dict[str, int]:
    """Process ids by kind, while one cell is awake."""
    return {kind_of(pid): pid for pid in tree(roost.process.pid)}


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def until_gone(pids: Collection[int], within_s: float) -> float:
    """Seconds until none of them runs."""
    began = time.monotonic()
    until(lambda: not any(map(is_running, pids)), "all had ended", within_s)
    return time.monotonic() - began
