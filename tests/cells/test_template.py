import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.cells.cellar import Cellar

from roost.cells.launcher import CellProcess, Launch
from roost.cells.template import Template
from roost.errors import Unavailable

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_phoenix_makes_a_migrated_database_with_nobody_in_it(
    real_cells: Cellar, tmp_path: Path
) -> None:
    template = Template(real_cells.launcher.launch, tmp_path / "template", "1")
    await template.make()
    with closing(sqlite3.connect(template.path)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        assert {"alembic_version", "spans", "users"} <= tables
        assert database.execute("SELECT count(*) FROM users").fetchone() == (0,)


async def test_a_new_cell_begins_with_it_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    template = Template(_nothing, tmp_path, "1")
    template.path.write_bytes(b"template")
    new, old = tmp_path / "new", tmp_path / "old"
    for directory in (new, old):
        directory.mkdir()
    (old / "phoenix.db").write_bytes(b"mine")
    await template.begin(new)
    await template.begin(old)
    assert (new / "phoenix.db").read_bytes() == b"template"
    assert (old / "phoenix.db").read_bytes() == b"mine"


async def test_without_a_template_cells_begin_as_ever(tmp_path: Path) -> None:
    template = Template(_nothing, tmp_path / "template", "1")
    await template.make()
    await template.begin(tmp_path)
    assert not (tmp_path / "phoenix.db").exists()


async def test_a_new_cell_waits_for_a_template_that_is_being_made(
    real_cells: Cellar, tmp_path: Path
) -> None:
    """A cell that migrates its own database and is killed meanwhile can never be started again."""
    template = Template(real_cells.launcher.launch, tmp_path / "template", "1")
    directory = tmp_path / "new"
    directory.mkdir()
    await template.begin(directory)
    with closing(sqlite3.connect(directory / "phoenix.db")) as database:
        assert database.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


async def _nothing(launch: Launch) -> CellProcess:
    raise Unavailable(reason="no process comes")
