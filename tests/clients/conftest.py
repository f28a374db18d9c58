"""Keys of one tenant, and the machine that uses them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cells.stock_phoenix import until
from tests.clients.machine import client_alone, run, told
from tests.installation import Installation

collect_ignore_glob = ["with_*.py"]
"""Programs for a machine of their own: here they would import all of Phoenix."""
TENANT = "default"
HERE = Path(__file__).parent

Stored = Callable[[str, str], None]


@pytest.fixture(scope="session")
def keys(roost: Installation) -> dict[str, str]:
    """By scope; `all` is what a notebook wants: spans, datasets, prompts."""
    scopes = {name: (name,) for name in ("ingest", "read", "write", "admin")}
    return {
        name: roost.key(TENANT, *wanted)
        for name, wanted in {**scopes, "all": ("write", "ingest")}.items()
    }


@pytest.fixture(scope="session")
def client_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(client_alone(tmp_path_factory.mktemp("client")))


@pytest.fixture(scope="session")
def program(roost: Installation, keys: dict[str, str], client_path: str) -> Callable[[str], Any]:
    """Runs a program of this folder with Roost's URL and the keys; gives what it tells."""

    def start(name: str) -> Any:
        environment = {"PYTHONPATH": client_path, "ROOST_URL": roost.base}
        for scope, key in keys.items():
            environment[f"KEY_{scope.upper()}"] = key
        return told(run([str(HERE / f"{name}.py")], environment))

    return start


@pytest.fixture
def stored(roost: Installation, keys: dict[str, str]) -> Stored:
    """Waits until a span of that name is in that project of the tenant's Phoenix."""

    def wait(name: str, project: str) -> None:
        with roost.client(keys["read"]) as plain:
            until(
                lambda: f'"{name}"' in plain.get(f"/v1/projects/{project}/spans").text,
                f"{name} was stored",
                30,
            )

    return wait
