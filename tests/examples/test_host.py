"""The demo's host page: its session, its frame, its sign-out, in a real browser."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest
from examples.demo.host import create_app
from examples.demo.session import COOKIE
from playwright.async_api import Page, expect
from tests.chromium import in_the_browser_s_loop
from tests.examples.collector import Collector
from tests.examples.serving import app_served

from roost.identity.nextauth import NextAuth

pytestmark = in_the_browser_s_loop

SECRET = "the-demo's-secret-0123456789abcdef0123456789"


@dataclass(frozen=True, slots=True)
class Host:
    url: str
    roost: Collector


@pytest.fixture
def host(collector: Collector) -> Iterator[Host]:
    with app_served(create_app(collector, SECRET)) as url:
        yield Host(url, collector)


@pytest.mark.parametrize(("name", "tenant"), [("Ann", "acme"), ("Bob", "globex")])
async def test_each_sees_their_own_name_and_tenant(
    page: Page, host: Host, name: str, tenant: str
) -> None:
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(host.url)
    await page.get_by_role("button", name=name).click()
    await expect(page.get_by_role("banner")).to_contain_text(name)
    await expect(page.locator("iframe")).to_have_attribute("src", f"/api/phoenix/ui/{tenant}/")
    await expect(page.frame_locator("iframe").locator("body")).to_contain_text(f"/ui/{tenant}/")
    assert complaints == []


async def test_roost_reads_the_session(page: Page, host: Host) -> None:
    await page.goto(host.url)
    await page.get_by_role("button", name="Ann").click()
    await expect(page.locator("iframe")).to_be_visible()
    cookies = {one["name"]: one["value"] for one in await page.context.cookies()}
    reader = NextAuth(5, [SECRET])
    found = reader.find([(COOKIE, cookies[COOKIE])])
    assert found is not None
    claims = reader.verify(found, time.time())
    named = [claims.text(name) for name in ("sub", "name", "email", "tenant", "role")]
    assert named == ["user-ann", "Ann", "ann@acme.example", "acme", "admin"]


async def test_signing_out_tells_roost_while_the_session_is_there(page: Page, host: Host) -> None:
    await page.goto(host.url)
    await page.get_by_role("button", name="Bob").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Who are you today?")).to_be_visible()
    told = [call for call in host.roost.calls if call.target == "/api/phoenix/sign-out"]
    assert [(call.method, COOKIE in call.cookies) for call in told] == [("POST", True)]
    assert await page.context.cookies() == []


async def test_a_sign_out_inside_the_frame_signs_out_of_the_app(page: Page, host: Host) -> None:
    await page.goto(host.url)
    await page.get_by_role("button", name="Ann").click()
    await expect(page.frame_locator("iframe").locator("body")).to_contain_text("/ui/acme/")
    await page.frames[1].evaluate("parent.postMessage({ type: 'roost-sign-out' }, '*')")
    await expect(page.get_by_role("heading", name="Who are you today?")).to_be_visible()


async def test_a_foreign_host_name_is_refused(host: Host) -> None:
    async with aiohttp.ClientSession(headers={"host": "evil.example"}) as client:
        assert (await client.get(host.url)).status == 400
