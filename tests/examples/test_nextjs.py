"""The Next.js example: a real build, a real sign-in, a real browser. Roost is played here."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest
from examples.demo.session import COOKIE, Sessions
from playwright.async_api import Page, expect
from tests.chromium import in_the_browser_s_loop
from tests.examples.collector import Collector
from tests.examples.conftest import AUTH_SECRET, PASSWORD, NextHost
from tests.examples.serving import app_served

from roost.identity.nextauth import NextAuth

pytestmark = in_the_browser_s_loop


@dataclass(frozen=True, slots=True)
class Host:
    url: str
    roost: Collector


@pytest.fixture(scope="module")
def host(next_host: NextHost) -> Iterator[Host]:
    roost = Collector()
    with app_served(roost) as url:
        yield Host(next_host(url), roost)


async def sign_in(page: Page, host: Host, email: str, password: str = PASSWORD) -> None:
    await page.goto(host.url)
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def test_ann_sees_her_name_and_the_frame_of_her_tenant(page: Page, host: Host) -> None:
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await sign_in(page, host, "ann@acme.example")
    await expect(page.get_by_role("banner")).to_contain_text("Ann")
    await expect(page.locator("iframe")).to_have_attribute("src", "/api/phoenix/ui/acme/")
    await expect(page.frame_locator("iframe").locator("body")).to_contain_text("/ui/acme/")
    assert complaints == []


async def test_the_session_names_person_tenant_and_role(page: Page, host: Host) -> None:
    await sign_in(page, host, "bob@globex.example")
    await expect(page.locator("iframe")).to_be_visible()
    cookies = {one["name"]: one["value"] for one in await page.context.cookies()}
    reader = NextAuth(5, [AUTH_SECRET])
    found = reader.find([(COOKIE, cookies[COOKIE])])
    assert found is not None
    claims = reader.verify(found, time.time())
    named = {name: claims.text(name) for name in ("sub", "name", "email", "tenant", "role")}
    assert named == {
        "sub": "user-bob",
        "name": "Bob",
        "email": "bob@globex.example",
        "tenant": "globex",
        "role": "member",
    }


async def test_a_wrong_password_signs_nobody_in(page: Page, host: Host) -> None:
    await sign_in(page, host, "ann@acme.example", "wrong")
    await expect(page.get_by_text("That e-mail and password do not fit.")).to_be_visible()
    assert COOKIE not in {one["name"] for one in await page.context.cookies()}


async def test_signing_out_tells_roost_while_the_session_is_there(page: Page, host: Host) -> None:
    await sign_in(page, host, "ann@acme.example")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("E-mail")).to_be_visible()
    told = [call for call in host.roost.calls if call.target == "/api/phoenix/sign-out"]
    assert [(call.method, COOKIE in call.cookies) for call in told] == [("POST", True)]
    assert COOKIE not in {one["name"] for one in await page.context.cookies()}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/api/phoenix/ui/acme/", id="slash at the end"),
        pytest.param("/api/phoenix/ui/acme", id="no slash at the end"),
        pytest.param("/api/phoenix/ui/acme/p/a%2Fb%20c?x=1&y=%2F", id="encoded"),
        pytest.param("/api/phoenix/v1/projects?limit=2", id="query"),
    ],
)
async def test_a_path_arrives_as_it_was_sent(host: Host, path: str) -> None:
    async with aiohttp.ClientSession() as client:
        answer = await client.get(f"{host.url}{path}", allow_redirects=False)
        assert answer.status == 200
    assert host.roost.calls[-1].target == path


async def test_auth_js_itself_reads_the_session_that_the_demo_mints(host: Host) -> None:
    minted = Sessions(AUTH_SECRET).mint({"sub": "user-ann", "name": "Ann"}, int(time.time()))
    async with aiohttp.ClientSession(cookies={COOKIE: minted}) as client:
        session = await (await client.get(f"{host.url}/api/auth/session")).json()
    assert session["user"]["name"] == "Ann"
