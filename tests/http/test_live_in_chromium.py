"""`live.js` in a real browser: both transports, what makes it change from one to the other, and how
it comes back."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page
from tests.cells.stock_phoenix import free_port, require
from tests.chromium import in_the_browser_s_loop
from tests.http.live_world import world

pytestmark = in_the_browser_s_loop

CONNECT = """
async ({ token, options }) => {
  const { connect } = await import("/live.js");
  const told = (window.told = []);
  const note = (name) => (...values) => told.push([name, ...values]);
  window.token = token;
  window.live = connect({
    url: "/api/phoenix/t/acme/live",
    ...(token ? { getToken: async () => window.token } : {}),
    onUpsert: note("upsert"), onRemove: note("remove"), onReset: note("reset"),
    onState: note("state"), ...options,
  });
}
"""


@dataclass
class Host:
    """A host's page that watches."""

    page: Page

    async def told(self, *values: object, times: int = 1) -> None:
        """Returns once the page was told that, so many times."""
        await self.page.wait_for_function(
            "([said, times]) => told.filter((one) => JSON.stringify(one).startsWith(said))"
            ".length >= times",
            arg=[_start(values), times],
            timeout=10_000,
        )

    async def count(self, *values: object) -> int:
        found = await self.page.evaluate(
            "(said) => told.filter((one) => JSON.stringify(one).startsWith(said)).length",
            _start(values),
        )
        return int(found)

    async def hide(self, *, hidden: bool) -> None:
        """As a browser does with a tab that is put away."""
        await self.page.evaluate(
            "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden,"
            " configurable: true}); document.dispatchEvent(new Event('visibilitychange')); }",
            hidden,
        )


def _start(values: tuple[object, ...]) -> str:
    return json.dumps(values, separators=(",", ":")).removesuffix("]").removesuffix("}")


@asynccontextmanager
async def host(
    browser: Browser, url: str, user: str = "vera", token: str = "", **options: object
) -> AsyncIterator[Host]:
    context = await browser.new_context()
    if user:
        where = {"domain": urlsplit(url).hostname, "path": "/"}
        await context.add_cookies([{"name": "user", "value": user, **where}])  # type: ignore[typeddict-item]
    page = await context.new_page()
    await page.goto(f"{url}/page")
    await page.evaluate(CONNECT, {"token": token, "options": options})
    yield Host(page)
    await context.close()


def live(transport: str) -> tuple[object, ...]:
    return "state", "live", {"transport": transport}


def row(trace_id: str, spans: int = 1) -> tuple[object, ...]:
    return "upsert", {"id": trace_id, "spans": spans}


async def test_a_page_watches_by_its_cookie_over_a_socket(tmp_path: Path, browser: Browser) -> None:
    async with world(tmp_path) as at, host(browser, at.url) as page:
        await page.told(*live("socket"))
        await page.told("reset", "start")
        at.acme.span("t1")
        await page.told(*row("t1"))
        at.acme.delete("t1")
        await page.told("remove", "t1")


async def test_where_upgrades_are_refused_it_takes_the_event_stream(
    tmp_path: Path, browser: Browser
) -> None:
    async with world(tmp_path) as at:
        at.takes_upgrades = False
        async with host(browser, at.url) as page:
            await page.told(*live("events"))
            await page.told("reset", "start")
            at.acme.span("t1")
            await page.told(*row("t1"))
            assert await page.count("state", "waiting") == 0


async def test_a_token_goes_into_the_first_message_or_a_header(
    tmp_path: Path, browser: Browser
) -> None:
    async with world(tmp_path) as at:
        for takes_upgrades, transport in ((True, "socket"), (False, "events")):
            at.takes_upgrades = takes_upgrades
            async with host(browser, at.url, "", at.key.token) as page:
                await page.told(*live(transport))
                at.acme.span(f"t-{transport}")
                await page.told(*row(f"t-{transport}"))


async def test_it_comes_back_and_misses_nothing(tmp_path: Path, browser: Browser) -> None:
    for takes_upgrades, transport in ((True, "socket"), (False, "events")):
        folder = tmp_path / transport
        folder.mkdir()
        async with world(folder) as at:
            at.takes_upgrades = takes_upgrades
            async with host(browser, at.url) as page:
                await page.told(*live(transport))
                at.acme.span("t1")
                await page.told(*row("t1"))
                await at.stop_gateway()
                await page.told("state", "waiting")
                at.acme.span("t2")
                at.acme.span("t1")
                await at.start_gateway()
                await page.told(*live(transport), times=2)
                await page.told(*row("t2"))
                await page.told(*row("t1", 2))
                assert await page.count("reset") == 1


async def test_it_stops_where_the_proof_has_ended_until_somebody_signs_in(
    tmp_path: Path, browser: Browser
) -> None:
    async with world(tmp_path, recheck_s=0.05) as at, host(browser, at.url) as page:
        await page.told(*live("socket"))
        vera = at.people.pop("vera")
        await page.told("state", "expired")
        await asyncio.sleep(1.0)  # longer than the first pause between attempts
        assert await page.count("state", "connecting") == 1
        at.people["vera"] = vera
        await page.page.evaluate("live.signedIn()")
        await page.told(*live("socket"), times=2)


async def test_a_host_with_tokens_is_asked_for_a_fresh_one(
    tmp_path: Path, browser: Browser
) -> None:
    async with world(tmp_path) as at, host(browser, at.url, "", at.key.token) as page:
        await page.told(*live("socket"))
        at.calls.cut(at.key.id)
        await page.told(*live("socket"), times=2)
        await page.page.evaluate("window.token = 'rk_old'")
        at.calls.cut(at.key.id)
        await page.told("state", "expired")


async def test_a_tenant_of_others_is_refused_and_not_asked_for_again(
    tmp_path: Path, browser: Browser
) -> None:
    async with world(tmp_path) as at, host(browser, at.url, "gus") as page:
        await page.told("state", "refused", {"status": 404})
        assert await page.count("state", "connecting") == 1


async def test_a_hidden_page_pauses_and_goes_on_where_it_was(
    tmp_path: Path, browser: Browser
) -> None:
    async with world(tmp_path) as at, host(browser, at.url, pauseAfterMs=50) as page:
        await page.told(*live("socket"))
        await page.hide(hidden=True)
        await page.told("state", "paused")
        at.acme.span("t1")
        await page.hide(hidden=False)
        await page.told(*row("t1"))
        assert await page.count("reset") == 1


async def test_a_page_that_closes_is_gone(tmp_path: Path, browser: Browser) -> None:
    async with world(tmp_path) as at, host(browser, at.url) as page:
        await page.told(*live("socket"))
        await page.page.evaluate("live.close()")
        await page.told("state", "closed")
        at.acme.span("t1")
        await asyncio.sleep(0.2)  # in which it would have come
        assert await page.count("upsert") == 0


async def test_a_host_that_throws_is_told_and_goes_on(tmp_path: Path, browser: Browser) -> None:
    async with world(tmp_path) as at, host(browser, at.url) as page:
        await page.told(*live("socket"))
        await page.page.evaluate(
            "live.close(); import('/live.js').then(({ connect }) => connect({"
            " url: '/api/phoenix/t/acme/live',"
            " onUpsert(trace) { told.push(['again', trace.id]); throw new Error('host'); },"
            " onState(state) { told.push(['again', state]); } }))"
        )
        await page.told("again", "live")
        at.acme.span("t1")
        at.acme.span("t2")
        await page.told("again", "t1")
        await page.told("again", "t2")


@asynccontextmanager
async def nginx(folder: Path, port: int, upstream: str, more: str = "") -> AsyncIterator[str]:
    """nginx as it comes, in front of that server."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    require(program, "nginx")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr crit;\n"
        f"events {{}}\nhttp {{ access_log off; {paths}"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {upstream}; {more} }} }} }}\n"
    )
    running = await asyncio.create_subprocess_exec(str(program), "-e", "stderr", "-c", str(conf))
    try:
        await _listens(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        await running.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def test_through_nginx_as_it_comes_events_arrive_one_by_one(
    tmp_path: Path, browser: Browser
) -> None:
    async with (
        world(tmp_path) as at,
        nginx(tmp_path, free_port(), at.url) as url,
        host(browser, url) as page,
    ):
        await page.told(*live("events"))
        for number in range(3):
            at.acme.span(f"t{number}")
            await page.told(*row(f"t{number}"))


async def test_through_nginx_that_passes_upgrades_a_socket_opens(
    tmp_path: Path, browser: Browser
) -> None:
    upgrades = (
        "proxy_http_version 1.1; proxy_set_header Host $http_host;"
        ' proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
    )
    async with (
        world(tmp_path) as at,
        nginx(tmp_path, free_port(), at.url, upgrades) as url,
        host(browser, url) as page,
    ):
        await page.told(*live("socket"))
        at.acme.span("t1")
        await page.told(*row("t1"))
