"""Phoenix in a frame, in a real browser: by the link, by a host's session, ten pages, sign-out."""

import json

import pytest
from playwright.async_api import Page, expect
from tests.chromium import Watched, in_the_browser_s_loop
from tests.installation import Installation
from tests.isolation.cargo import Cargo, store

pytestmark = in_the_browser_s_loop

CANARY = "browsed"
PAGES = (
    "projects",
    "projects/{project}/spans",
    "projects/{project}/traces",
    "projects/{project}/sessions",
    "projects/{project}/metrics",
    "datasets",
    "datasets/{dataset}/examples",
    "datasets/{dataset}/experiments",
    "prompts",
    "prompts/{prompt}",
    "playground",
    "settings/general",
)
SHOWN_MS = 30_000


@pytest.fixture(scope="module")
def cargo(roost: Installation) -> Cargo:
    roost.tenant("browsed")
    return store(roost, "browsed", CANARY)


async def signed_in(page: Page, roost: Installation, role: str = "admin") -> None:
    """With the host's session cookie, as if the host had set it."""
    for name, value in roost.cookie("Ann", "browsed", role).items():
        await page.context.add_cookies([{"name": name, "value": value, "url": roost.url}])


def link(roost: Installation) -> str:
    return str(json.loads(roost.cli("link", "--json"))["url"])


async def test_the_link_leads_to_the_framed_phoenix_once(
    roost: Installation, watched: Watched
) -> None:
    page, url = watched.page, link(roost)
    await page.goto(url)
    await page.goto(url)  # looking does not spend it
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="default").click()
    frame = page.frame_locator("iframe")
    await expect(frame.get_by_role("link", name="Prompts")).to_be_visible(timeout=SHOWN_MS)
    assert watched.complaints == []
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
    await page.goto(url)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("was used or is too old")).to_be_visible()
    await expect(page.get_by_role("heading", name="Sign in first")).to_be_visible()


@pytest.mark.parametrize("role", ["admin", "viewer"])
async def test_phoenix_s_pages_show_without_a_complaint(
    roost: Installation, watched: Watched, cargo: Cargo, role: str
) -> None:
    page = watched.page
    await signed_in(page, roost, role)
    project, dataset, _, prompt, _ = cargo.ids
    for path in PAGES:
        where = path.format(project=project, dataset=dataset, prompt=prompt)
        await page.goto(f"{roost.base}/ui/browsed/{where}")
        await expect(page.get_by_test_id("content")).to_be_visible(timeout=SHOWN_MS)
        await page.wait_for_load_state("networkidle")
        await expect(page.get_by_text("Something went wrong")).to_have_count(0)
        assert watched.complaints == [], path


async def test_signing_out_inside_phoenix_ends_the_session(
    roost: Installation, watched: Watched, cargo: Cargo
) -> None:
    page = watched.page
    await signed_in(page, roost)
    await page.goto(f"{roost.base}/ui/browsed/projects")
    await expect(page.get_by_test_id("content")).to_be_visible(timeout=SHOWN_MS)
    await page.evaluate("location.href = location.pathname.replace('/projects', '/auth/logout')")
    await expect(page.get_by_text("signed out", exact=False).first).to_be_visible(timeout=SHOWN_MS)
    answer = await page.request.get(f"{roost.base}/t/browsed/v1/projects")
    assert answer.status == 401
