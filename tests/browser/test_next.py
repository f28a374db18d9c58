"""The Next.js host with the real Roost behind it: a sign-in, one's own trace, a sign-out."""

import asyncio
import secrets

import aiohttp
import pytest
from playwright.async_api import Page, expect
from tests.chromium import Watched, in_the_browser_s_loop
from tests.examples.conftest import PASSWORD, NextHost, next_host
from tests.installation import Installation
from tests.isolation.cargo import send_trace

__all__ = ["next_host"]

pytestmark = in_the_browser_s_loop

SHOWN_MS = 60_000


@pytest.fixture(scope="module")
def host(roost: Installation, next_host: NextHost) -> str:
    for tenant in ("acme", "globex"):
        with roost.client(roost.key(tenant, "read", "ingest")) as client:
            send_trace(client, f"trace-of-{tenant}", secrets.token_hex(16), secrets.token_hex(8))
    return next_host(roost.url)


async def sign_in(page: Page, host: str, email: str) -> None:
    await page.goto(host)
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


async def test_the_live_view_streams_through_next(
    watched: Watched, roost: Installation, host: str
) -> None:
    """Next compresses, and so keeps back, what does not forbid it."""
    await sign_in(watched.page, host, "ann@acme.example")
    await expect(watched.page.get_by_role("button", name="Sign out")).to_be_visible()
    cookies = {one["name"]: one["value"] for one in await watched.page.context.cookies()}
    asked = {"accept": "text/event-stream", "accept-encoding": "gzip, deflate, br"}
    name = f"live-{secrets.token_hex(4)}"
    async with (
        aiohttp.ClientSession(cookies=cookies, headers=asked) as client,
        client.get(f"{host}/api/phoenix/t/acme/live") as answer,
        asyncio.timeout(30),
    ):
        assert answer.status == 200
        await asyncio.to_thread(send, roost, name)
        async for line in answer.content:
            if name.encode() in line:
                break


def send(roost: Installation, name: str) -> None:
    with roost.client(roost.key("acme", "read", "ingest")) as client:
        send_trace(client, name, secrets.token_hex(16), secrets.token_hex(8))


@pytest.mark.parametrize(
    ("email", "own", "foreign"),
    [
        ("ann@acme.example", "trace-of-acme", "trace-of-globex"),
        ("bob@globex.example", "trace-of-globex", "trace-of-acme"),
    ],
    ids=["Ann", "Bob"],
)
async def test_people_see_their_own_tenant_until_they_sign_out(
    watched: Watched, host: str, email: str, own: str, foreign: str
) -> None:
    page = watched.page
    await sign_in(page, host, email)
    frame = page.frame_locator("iframe")
    await expect(frame.get_by_text(own).first).to_be_visible(timeout=SHOWN_MS)
    await expect(frame.get_by_text(foreign)).to_have_count(0)
    await frame.get_by_text(own).first.click()
    await expect(frame.get_by_text("Total Traces")).to_be_visible(timeout=SHOWN_MS)
    assert watched.complaints == []
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("E-mail")).to_be_visible()
    answer = await page.request.get(f"{host}/api/phoenix/api/me")
    assert answer.status == 401
