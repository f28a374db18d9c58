"""One Phoenix for all tests of the sign-in."""

import time
from collections.abc import Iterator

import pytest
from tests.cells.signed_cell import SignedCell, attached_cell, environment, provider, served
from tests.cells.stock_phoenix import free_port, phoenix


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
