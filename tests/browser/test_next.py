"""The Next.js host with the real Roost behind it: a sign-in, one's own trace, a sign-out."""

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Watched
from tests.examples.conftest import PASSWORD, NextHost, next_host
from tests.installation import Installation
from tests.isolation.cargo import store

__all__ = ["next_host"]

SHOWN_MS = 60_000


@pytest.fixture(scope="module")
def host(roost: Installation, next_host: NextHost) -> str:
    for tenant in ("acme", "globex"):
        store(roost, tenant, f"trace-of-{tenant}")
    return next_host(roost.url)


def sign_in(page: Page, host: str, email: str) -> None:
    page.goto(host)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize(
    ("email", "own", "foreign"),
    [
        ("ann@acme.example", "trace-of-acme", "trace-of-globex"),
        ("bob@globex.example", "trace-of-globex", "trace-of-acme"),
    ],
    ids=["Ann", "Bob"],
)
def test_people_see_their_own_tenant_until_they_sign_out(
    watched: Watched, host: str, email: str, own: str, foreign: str
) -> None:
    page = watched.page
    sign_in(page, host, email)
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text(own).first).to_be_visible(timeout=SHOWN_MS)
    expect(frame.get_by_text(foreign)).to_have_count(0)
    frame.get_by_text(own).first.click()
    expect(frame.get_by_text("Total Traces")).to_be_visible(timeout=SHOWN_MS)
    assert watched.complaints == []
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("E-mail")).to_be_visible()
    assert page.request.get(f"{host}/api/phoenix/api/me").status == 401
