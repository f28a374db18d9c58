"""One PostgreSQL for all tests of the log, and each engine on a place of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.postgres import Postgres, postgres
from tests.log.engines import Engine, Segments, Tables, schema


@pytest.fixture(scope="session")
def log_server() -> Iterator[Postgres]:
    with postgres("127.0.0.1") as server:
        yield server


@pytest.fixture
def tables(log_server: Postgres) -> Iterator[Tables]:
    with schema(log_server) as one:
        yield one


@pytest.fixture
def segments(tmp_path: Path) -> Segments:
    return Segments(tmp_path / "log")


@pytest.fixture(params=["segments", "tables"])
def engine(request: pytest.FixtureRequest) -> Engine:
    one: Engine = request.getfixturevalue(request.param)
    return one
