"""Phoenix's page and Roost's script in it, in a real browser."""

import asyncio
from dataclasses import replace

from playwright.async_api import Browser, ConsoleMessage, Frame, Page, Route
from tests.chromium import in_the_browser_s_loop
from tests.proxy.loopback import MOUNT, answering, roost, serving
from tests.proxy.phoenix_page import cell

from roost.http.call import Receive, Scope, Send
from roost.model import Slug, Tenant, TenantId
from roost.policy.decision import Treatment
from roost.proxy.admitted import Admitted
from roost.proxy.upstream import Look

pytestmark = in_the_browser_s_loop

HTML = {"content-type": "text/html; charset=utf-8"}
BLANK = b"<!DOCTYPE html><html><head><title>p</title></head><body></body></html>"


def by_path(scope: Scope) -> Treatment:
    path = scope["path"].removeprefix(MOUNT)
    if path.startswith("/assets/"):
        return Treatment.ASSET
    return Treatment.PRIVATE if path == "/graphql" else Treatment.PAGE


async def test_the_real_ui_runs_under_the_policy_without_a_complaint(browser: Browser) -> None:
    said: list[str] = []
    page = await browser.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    async with serving(cell) as address, roost(address, treat=by_path) as proxy:
        await page.goto(f"{proxy.url}{MOUNT}/login")
        await page.wait_for_selector("#root > *")
        await page.close()
    assert not [text for text in said if "Content Security Policy" in text or "eval" in text]


def tenant_of(admitted: Admitted) -> Admitted:
    slug = "globex" if "/globex" in admitted.path else "acme"
    tenant = Tenant(TenantId(f"t-{slug}"), Slug(slug), slug)
    principal = replace(admitted.principal, tenant=tenant)
    return replace(admitted, principal=principal, mount=f"/ui/{slug}")


async def blank(scope: Scope, receive: Receive, send: Send) -> None:
    await answering(BLANK, HTML)(scope, receive, send)


async def framed(page: Page, url: str, *paths: str) -> list[Frame]:
    """The pages at those paths in a host's page of the same origin, which logs what it is told."""
    frames = "".join(f'<iframe src="{path}"></iframe>' for path in paths)
    script = "<script>onmessage = (event) => console.log(event.data.type)</script>"
    host = f"<!DOCTYPE html>{script}{frames}"

    async def answer(route: Route) -> None:
        await route.fulfill(content_type="text/html", body=host)

    await page.route("**/host", answer)
    await page.goto(f"{url}/host")
    return page.frames[1:]


async def test_frames_of_two_tenants_share_no_storage(browser: Browser) -> None:
    page = await browser.new_page()
    async with (
        serving(blank) as address,
        roost(address, Treatment.PAGE, change=tenant_of) as proxy,
    ):
        acme, globex = await framed(page, proxy.url, "/ui/acme", "/ui/globex")
        for area in ("localStorage", "sessionStorage"):
            await acme.evaluate(f"{area}.setItem('a', 1); {area}.b = 'two'")
            await globex.evaluate(f"{area}.setItem('b', 'other')")
            seen = f"[{area}.length, {area}.getItem('a'), {area}.b, Object.keys({area}).sort()]"
            assert await acme.evaluate(seen) == [2, "1", "two", ["a", "b"]]
            assert await globex.evaluate(seen) == [1, None, "other", ["b"]]
            await globex.evaluate(f"{area}.clear()")
            assert await acme.evaluate(f"delete {area}.a, 'b' in {area}")
            assert await acme.evaluate(seen) == [1, None, "two", ["b"]]
            assert await globex.evaluate(f"{area}.getItem('b')") is None
        await page.close()


async def test_storage_survives_a_reload(browser: Browser) -> None:
    page = await browser.new_page()
    async with (
        serving(blank) as address,
        roost(address, Treatment.PAGE, look=Look(theme="light")) as proxy,
    ):
        await page.goto(proxy.url)
        await page.evaluate("localStorage.setItem('a', 'kept')")
        await page.reload()
        assert await page.evaluate("localStorage.getItem('a')") == "kept"
        assert await page.evaluate("localStorage.getItem('arize-phoenix-theme')") == "light"
        await page.close()


async def test_storage_that_the_browser_blocks_is_kept_in_memory(browser: Browser) -> None:
    page = await browser.new_page()
    # What a browser does that blocks the site's data.
    await page.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage'])"
        "  Object.defineProperty(window, name, {configurable: true,"
        "    get() { throw new DOMException('denied', 'SecurityError') }})"
    )
    async with serving(blank) as address, roost(address, Treatment.PAGE) as proxy:
        await page.goto(proxy.url)
        await page.evaluate("localStorage.setItem('a', 'kept')")
        assert await page.evaluate("[localStorage.a, localStorage.length]") == ["kept", 1]
        await page.close()


async def test_signing_out_in_phoenix_signs_out_of_roost_and_tells_the_host(
    browser: Browser,
) -> None:
    posted: list[str] = []
    told: asyncio.Queue[str] = asyncio.Queue()

    async def phoenix(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/sign-out":
            posted.append(scope["method"])
        await answering(BLANK, HTML)(scope, receive, send)

    def note(message: ConsoleMessage) -> None:
        told.put_nowait(message.text)

    page = await browser.new_page()
    page.on("console", note)
    async with (
        serving(phoenix) as address,
        roost(address, Treatment.PAGE, look=Look(sign_out="/sign-out")) as proxy,
    ):
        (frame,) = await framed(page, proxy.url, f"{MOUNT}/")
        await frame.evaluate(f"setTimeout(() => location.replace('{MOUNT}/auth/logout'))")
        async with asyncio.timeout(10):
            assert await told.get() == "roost-sign-out"
        assert posted == ["POST"]
        assert frame.url.endswith(f"{MOUNT}/")
        await page.close()
