"""One Phoenix for all tests of the sign-in, and one zygote for all tests of cells."""

import time
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec

import pytest
import pytest_asyncio
from tests.cells.cellar import Cellar, cellar
from tests.cells.signed_cell import SignedCell, attached_cell, environment, provider, served
from tests.cells.stock_phoenix import free_port, phoenix, require


@pytest.fixture(scope="session")
def signed_cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedCell]:
    directory = tmp_path_factory.mktemp("signed-cell")
    port, provider_port = free_port(), free_port()
    provider_url = f"http://127.0.0.1:{provider_port}"
    cell = attached_cell(f"http://127.0.0.1:{port}")
    oidc = provider(directory, provider_url, cell, time.time)
    started_with = environment(cell, provider_url, directory, port)
    started_with["PHOENIX_GRPC_PORT"] = str(free_port())
    with (
        served(oidc, "127.0.0.1", provider_port),
        phoenix(started_with, cell.url, directory / "phoenix.log"),
    ):
        yield SignedCell(cell, oidc.codes, time.time)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real_cells(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cellar]:
    """Cells of the installed Phoenix. Homes stay from test to test, so only the first start of a
    tenant's cell makes its database."""
    require(find_spec("phoenix"), "Phoenix")
    async with cellar(tmp_path_factory.mktemp("real-cells"), fake=False) as one:
        yield one
