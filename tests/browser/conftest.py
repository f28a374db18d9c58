"""Chromium, and a page that remembers what went wrong in it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Response, sync_playwright
from tests.cells.stock_phoenix import require

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-background-networking --no-first-run "
    "--disable-component-update --disable-sync"
)


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    require(program, "Chromium")
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=program, args=ARGUMENTS.split())
        yield one
        one.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    yield Watched(context.new_page())
    context.close()
