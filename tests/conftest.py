"""One running Roost with two tenants for all tests that need a whole one, and one Chromium."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from tests.chromium import Watched, chromium, new_page
from tests.installation import Installation, installation


@pytest.fixture(scope="session")
def roost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Tenants acme (Ann) and globex (Bob); cells wake at need. Shared: leave what is there."""
    with installation(tmp_path_factory.mktemp("roost")) as one:
        one.tenant("acme")
        one.tenant("globex")
        yield one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a person without any cookie."""
    async with new_page(browser) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def watched(page: Page) -> Watched:
    """The same page, and what went wrong in it."""
    return Watched(page)
