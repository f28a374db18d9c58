"""Opening a database though whoever opened it first was killed at it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from roost.storage.engine import CONTROL, HOME, open_database, sqlite_url

KILLED_AT = """
import asyncio, os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from roost.storage.engine import open_database

url, migrations, left = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "after_cursor_execute", count)
asyncio.run(open_database(url, migrations))
"""


@pytest.mark.parametrize("migrations", [CONTROL, HOME], ids=["control", "home"])
@pytest.mark.parametrize("statements", [2, 6, 11])
async def test_a_killed_migration_is_done_anew(
    tmp_path: Path, migrations: Path, statements: int
) -> None:
    url = sqlite_url(tmp_path / "a.db")
    arguments = [sys.executable, "-c", KILLED_AT, url, str(migrations), str(statements)]
    done = await asyncio.to_thread(
        subprocess.run, arguments, check=False, capture_output=True, timeout=60
    )
    assert done.returncode == -9, done.stderr
    engine = await open_database(url, migrations)
    await engine.dispose()
