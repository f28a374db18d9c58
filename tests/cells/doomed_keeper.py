"""A keeper to be killed: `python -m tests.cells.doomed_keeper <directory> forked|spawned`.

Starts one cell, prints the pids of all that it started, and waits.
"""

import asyncio
import sys
from pathlib import Path

from tests.cells.cellar import ACME, cellar, parent_of

from roost.cells.environment import cell_environment


async def main(root: Path, kind: str) -> None:
    async with cellar(root, fake=True, spawn=kind == "spawned") as one:
        launch = one.launch(ACME, cell_environment(one.spec(ACME, 0)))
        process = await one.launcher.launch(launch)
        address = f"http://127.0.0.1:{launch.listener.getsockname()[1]}"
        async with one.session.get(f"{address}/readyz"):
            pass
        pids = [process.pid] if kind == "spawned" else [process.pid, parent_of(process.pid)]
        sys.stdout.write(" ".join(map(str, pids)) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
