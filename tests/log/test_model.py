"""Random steps on each engine give what a dictionary gives."""

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.deploy.postgres import Postgres
from tests.log.engines import Segments, schema
from tests.log.model import Step, run_all, step

steps = st.lists(step, min_size=1, max_size=12)


@pytest.fixture(scope="session")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@settings(max_examples=120, deadline=None)
@given(steps, st.sampled_from([1, 20_000, 60_000, 2**28]))
def test_segments_do_what_the_model_does(
    directories: Path, steps: Sequence[Step], segment_bytes: int
) -> None:
    directory = directories / secrets.token_hex(8)
    asyncio.run(run_all(Segments(directory, segment_bytes), steps))


@settings(max_examples=25, deadline=None)
@given(steps)
def test_tables_do_what_the_model_does(log_server: Postgres, steps: Sequence[Step]) -> None:
    with schema(log_server) as tables:
        asyncio.run(run_all(tables, steps))
