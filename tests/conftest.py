"""One running Roost with two tenants for all tests that need a whole one."""

from collections.abc import Iterator

import pytest
from tests.installation import Installation, installation


@pytest.fixture(scope="session")
def roost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Tenants acme (Ann) and globex (Bob); cells wake at need. Shared: leave what is there."""
    with installation(tmp_path_factory.mktemp("roost")) as one:
        one.tenant("acme")
        one.tenant("globex")
        yield one
