"""Two tenants with something that is theirs alone."""

from dataclasses import dataclass

import pytest
from tests.contract.conftest import surface
from tests.installation import Installation
from tests.isolation.cargo import Cargo, store

__all__ = ["surface"]

OURS = "canary-of-acme"
THEIRS = "canary-of-globex"


@dataclass(frozen=True)
class Both:
    acme: Cargo
    globex: Cargo


@pytest.fixture(scope="session")
def both(roost: Installation) -> Both:
    return Both(store(roost, "acme", OURS), store(roost, "globex", THEIRS))
