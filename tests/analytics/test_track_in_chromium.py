"""track.js in a page, before Roost's own endpoint and a real home."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Page
from sqlalchemy import select
from tests.analytics.homes import home
from tests.chromium import Watched, in_the_browser_s_loop
from tests.http.test_events import ANN
from tests.http.test_events import Roost as Endpoint
from tests.proxy.loopback import answering, serving

from roost.analytics.store import EventStore
from roost.http.call import Receive, Scope, Send
from roost.storage.event_tables import events, identities

pytestmark = in_the_browser_s_loop

TRACK = Path(__file__).parents[2] / "src" / "roost" / "static" / "track.js"
PAGE = b"""<!DOCTYPE html><title>host</title><link rel="icon" href="data:,">
<script type="module">
import { createTracker } from "/track.js";
const options = JSON.parse(decodeURIComponent(location.hash.slice(1) || "{}"));
globalThis.tracker = createTracker({ url: "/api/phoenix", everyMs: 60000, ...options });
</script>"""
DEADLINE_S = 15.0


@dataclass
class Host:
    """The host's site; `broken` is answered 503 in place of Roost."""

    endpoint: Endpoint
    broken: bool = False
    posts: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/track.js":
            app = answering(TRACK.read_bytes(), {"content-type": "text/javascript"})
        elif scope["path"] == "/other":
            app = answering(b"<!DOCTYPE html><title>other</title>", {"content-type": "text/html"})
        elif scope["path"] != "/api/phoenix/api/events":
            app = answering(PAGE, {"content-type": "text/html"})
        elif self.broken:
            app = answering(b"{}", {"content-type": "application/json"}, 503)
        else:
            app = self.endpoint
        await app(scope, receive, send)
        if scope["method"] == "POST":
            self.posts += 1
            self.changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def host() -> AsyncIterator[tuple[Host, str]]:
    async with home() as store:
        site = Host(Endpoint(store, ANN))
        async with serving(site) as url:
            yield site, url


async def opened(page: Page, url: str, options: str = "") -> None:
    await page.goto(f"{url}/#{options}" if options else url)
    await page.wait_for_function("globalThis.tracker !== undefined")


async def names(store: EventStore) -> list[str]:
    async with store.engine.connect() as connection:
        found = await connection.scalars(select(events.c.name).order_by(events.c.time_ms))
        return sorted(found)


async def test_a_page_says_what_happened_and_roost_knows_who(watched: Watched) -> None:
    async with host() as (site, url):
        await opened(watched.page, url)
        told = await watched.page.evaluate(
            "(tracker.track('report opened', {plan: 'pro'}), tracker.flush())"
        )
        assert told is True
        async with site.endpoint.store.engine.connect() as connection:
            event = (await connection.execute(select(events))).one()
        assert (event.name, event.person, event.properties) == (
            "report opened",
            "u:ann",
            '{"plan":"pro"}',
        )
        assert event.anonymous_id
        assert watched.complaints == []


async def test_what_waits_is_sent_when_the_page_is_left(page: Page) -> None:
    async with host() as (site, url):
        await opened(page, url)
        await page.evaluate("for (let n = 0; n < 120; n++) tracker.track(`event ${n % 3}`)")
        await page.goto(f"{url}/other")
        # A batch under way when the page is left goes again, so requests do not tell what arrived.
        async with asyncio.timeout(DEADLINE_S):
            while len(await names(site.endpoint.store)) < 120:
                site.changed.clear()
                await site.changed.wait()
        assert len(await names(site.endpoint.store)) == 120


async def test_a_browser_that_keeps_no_fetch_alive_sends_beacons(page: Page) -> None:
    async with host() as (site, url):
        await page.add_init_script("delete Request.prototype.keepalive")
        await opened(page, url)
        await page.evaluate("tracker.track('by beacon')")
        await page.goto(f"{url}/other")
        await site.until(lambda: site.posts >= 1)
        assert await names(site.endpoint.store) == ["by beacon"]


async def test_what_was_not_answered_is_sent_by_the_next_page_and_stored_once(page: Page) -> None:
    async with host() as (site, url):
        site.broken = True
        await opened(page, url)
        await page.evaluate("(tracker.track('kept'), tracker.flush())")
        await page.goto(f"{url}/other")
        site.broken = False
        # A minute later, when nobody can be using the slot any more.
        await page.add_init_script("const now = Date.now; Date.now = () => now() + 61000")
        await opened(page, url)
        assert await page.evaluate("tracker.flush()") is True
        assert await names(site.endpoint.store) == ["kept"]
        kept = "Object.keys(localStorage).filter((name) => name.startsWith('roost-track')).length"
        assert await page.evaluate(kept) == 1


async def test_the_anonymous_id_outlives_the_page_until_it_is_reset(page: Page) -> None:
    async with host() as (site, url):
        for script in ("tracker.track('one')", "tracker.track('two'), tracker.reset()", ""):
            await opened(page, f"{url}/?{script[:20]}")
            await page.evaluate(f"({script or 'tracker.track(`three`)'}, tracker.flush())")
        async with site.endpoint.store.engine.connect() as connection:
            rows = await connection.execute(select(events.c.name, events.c.anonymous_id))
            ids = {row.name: row.anonymous_id for row in rows}
        assert ids["one"] == ids["two"] != ids["three"]


async def test_without_consent_nothing_is_sent_or_kept(page: Page) -> None:
    async with host() as (site, url):
        await opened(page, url, '{"consent":"pending"}')
        await page.evaluate("(tracker.track('early'), tracker.flush())")
        assert await page.evaluate("localStorage.length") == 0
        await page.goto(f"{url}/other")
        assert site.posts == 0


async def test_a_refusal_is_told_to_roost_and_clears_what_was_kept(page: Page) -> None:
    async with host() as (site, url):
        await opened(page, url)
        await page.evaluate("(tracker.track('before'), tracker.flush())")
        await page.evaluate("(tracker.consent(false), tracker.track('after'), tracker.flush())")
        assert await page.evaluate("localStorage.length") == 0
        assert await names(site.endpoint.store) == ["before"]
        async with site.endpoint.store.engine.connect() as connection:
            words = await connection.scalars(
                select(identities.c.consent).where(identities.c.person == "u:ann")
            )
        assert words.all() == [False]


async def test_a_browser_that_blocks_storage_still_sends(page: Page) -> None:
    async with host() as (site, url):
        await page.add_init_script(
            "Object.defineProperty(window, 'localStorage', {configurable: true,"
            "  get() { throw new DOMException('denied', 'SecurityError') }})"
        )
        await opened(page, url)
        assert await page.evaluate("(tracker.track('blocked'), tracker.flush())") is True
        assert await names(site.endpoint.store) == ["blocked"]
