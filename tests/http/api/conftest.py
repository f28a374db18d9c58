"""One world of two tenants for the tests that only read, an empty one for each that writes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.http.api.spans import conversation
from tests.http.api.world import GLOBEX, World, world

from roost.log.records import Annotation


@pytest_asyncio.fixture(loop_scope="module")
async def at(tmp_path: Path) -> AsyncIterator[World]:
    """Empty."""
    async with world(tmp_path) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def full(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Conversations 1 and 2 of Ann, 3 of Bob, 4 of nobody, in acme; 5 of Gus in globex. Ann and Bob
    share the session `shared`. Leave what is there."""
    async with world(tmp_path_factory.mktemp("world")) as one:
        await furnish(one)
        yield one


async def furnish(at: World) -> None:
    await at.take(*conversation(1, "ann", session="shared", at_ms=0))
    await at.take(*conversation(2, "ann", session="of-ann", at_ms=5_000), project="second")
    await at.take(*conversation(3, "bob", session="shared", at_ms=10_000))
    await at.take(*conversation(4, None, at_ms=15_000), project="nobodys")
    await at.take(*conversation(5, "gus", session="shared", at_ms=20_000), tenant=GLOBEX)
    for number, subject in ((1, "vera"), (1, "ann"), (3, "vera")):
        await at.annotate(
            Annotation(
                of="trace",
                target=f"{number:032x}",
                name="helpful",
                label="yes",
                score=0.5,
                explanation=f"explanation-of-{subject}-{number}",
                identifier=subject,
                subject=subject,
                subject_name=subject.title(),
            )
        )
