"""Chromium for every test that looks at a page: one for the whole run, in the session's loop.

Rule: Playwright is used by its asynchronous API alone. The other one keeps a loop running in the
main thread, in which no asynchronous test can run any more.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Page, Response, async_playwright
from tests.cells.stock_phoenix import require

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)
in_the_browser_s_loop = pytest.mark.asyncio(loop_scope="session")
"""The mark of a module whose tests use `browser`, `page` or `watched`."""


@dataclass
class Watched:
    """`complaints` are console errors, failed requests and answers of 400 and more."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self._note(said.type == "error", said.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on("response", self._answered)

    def _answered(self, answer: Response) -> None:
        self._note(answer.status >= 400, f"{answer.status} {answer.request.method} {answer.url}")

    def _note(self, is_wrong: bool, text: str) -> None:
        if is_wrong:
            self.complaints.append(text)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    require(program, "Chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@asynccontextmanager
async def new_page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a person without any cookie."""
    context = await browser.new_context(viewport={"width": 1400, "height": 900})
    yield await context.new_page()
    await context.close()
