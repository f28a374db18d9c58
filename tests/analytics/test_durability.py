"""What was answered is there after SIGKILL, and the numbers fit it."""

import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from tests.analytics.homes import counted_anew, engine_in, rollup, stored

from roost.storage.event_tables import metadata

ANSWERS = 150


async def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    answered = answered_before_the_kill(tmp_path)
    engine = await engine_in(tmp_path)
    there = await stored(engine)
    assert len(answered) >= ANSWERS
    assert answered <= set(there)
    assert await rollup(engine) == await counted_anew(engine)
    await engine.dispose()


def answered_before_the_kill(folder: Path) -> set[str]:
    """The ids that a store said it had, until SIGKILL."""
    command = [sys.executable, "-m", "tests.analytics.doomed_store", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as doomed:
        assert doomed.stdout is not None
        answered = {doomed.stdout.readline().strip() for _ in range(ANSWERS)}
        doomed.kill()
        # What it had said and nobody had read yet; the last line may be cut.
        return answered | {line.strip() for line in doomed.stdout if line.endswith("\n")}


async def test_a_home_has_the_tables_that_the_code_names(tmp_path: Path) -> None:
    engine = await engine_in(tmp_path)
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()
    assert differences == []


def _differences(connection: Connection) -> list[object]:
    """Of our own tables alone: others live beside them."""
    options = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))
