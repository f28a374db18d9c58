"""Both tenants with their cargo, and what acme's people saw before globex had any."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from tests.contract.conftest import surface
from tests.installation import Installation
from tests.isolation.cargo import TRACE_ID, Cargo, store
from tests.isolation.questions import answers_of
from tests.phoenix_surface import Surface

__all__ = ["surface"]

OURS = "canary-of-acme"
THEIRS = "canary-of-globex"


@dataclass(frozen=True)
class Both:
    """`before` is what acme was answered while globex had nothing."""

    acme: Cargo
    globex: Cargo
    before: Mapping[str, str]


def asked_before(acme: Cargo) -> tuple[str, ...]:
    """Project and prompt by id, the trace, and the name of them all."""
    return (acme.ids[0], acme.ids[3], TRACE_ID, acme.canary)


@pytest.fixture(scope="session")
def both(roost: Installation, surface: Surface) -> Both:
    acme = store(roost, "acme", OURS)
    before = answers_of(roost, surface, acme, asked_before(acme))
    return Both(acme, store(roost, "globex", THEIRS), before)
