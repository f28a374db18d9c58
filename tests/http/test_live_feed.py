"""The keeper's live feed over its Unix socket, from the outlet to a gateway's client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.applications import Starlette
from tests.live.home import ACME, Home, Homes, key_of
from tests.proxy.loopback import until

from roost.errors import NotFound, Unavailable
from roost.http.live_client import LiveClient
from roost.http.live_feed import live_routes
from roost.http.serving import listen_unix, serving
from roost.live.changes import Missed, Place, Topic
from roost.live.messages import Batch, Beat, Line, Opened
from roost.live.outlet import Outlet
from roost.model import TenantId

NOBODY = TenantId("t-nobody")


@dataclass
class Keeper:
    acme: Home
    outlet: Outlet
    client: LiveClient

    @asynccontextmanager
    async def feed(self) -> AsyncIterator["Feed"]:
        async with aclosing(self.client.feed(ACME)) as lines:
            yield Feed(lines)


@dataclass
class Feed:
    lines: AsyncIterator[Line]

    async def next(self) -> Line:
        async with asyncio.timeout(10):
            return await anext(self.lines)


@asynccontextmanager
async def keeper(
    folder: Path, heartbeat_s: float = 30, silence_s: float = 30
) -> AsyncIterator[Keeper]:
    homes = Homes()
    outlet = homes.outlet(heartbeat_s)
    path = folder / "k.sock"
    app = Starlette(routes=live_routes(outlet))
    async with serving(app, listen_unix(path)), LiveClient(path, silence_s) as client:
        yield Keeper(homes.homes[ACME], outlet, client)
        outlet.close()


async def test_a_feed_begins_with_its_place_and_key(tmp_path: Path) -> None:
    async with keeper(tmp_path) as at:
        at.acme.span("t1")
        async with at.feed() as feed:
            assert await feed.next() == Opened(Place("epoch-1", 1), key_of(ACME))
            at.acme.span("t1", "ann")
            assert await feed.next() == Batch(2, (at.acme.change("t1", ()),))


@pytest.mark.parametrize("after", [Place("epoch-0", 1), Place("epoch-1", 99)], ids=str)
async def test_a_place_that_is_not_of_this_past_is_lost(tmp_path: Path, after: Place) -> None:
    async with keeper(tmp_path) as at:
        at.acme.span("t1")
        assert await at.client.since(Topic(ACME), after, 10) is None


async def test_a_place_is_answered_with_what_stands_there_too(tmp_path: Path) -> None:
    async with keeper(tmp_path) as at:
        for trace_id in ("t1", "t2", "t3"):
            at.acme.span(trace_id)
        at.acme.amend("t1")
        changes = tuple(at.acme.change(trace_id, ()) for trace_id in ("t1", "t3"))
        assert await at.client.since(Topic(ACME), Place("epoch-1", 3), 10) == Missed(3, changes)


async def test_heartbeats_say_how_far_it_is(tmp_path: Path) -> None:
    async with keeper(tmp_path, heartbeat_s=0.02) as at, at.feed() as feed:
        await feed.next()
        assert await feed.next() == Beat(0)
        at.acme.span("t1")
        while isinstance(await feed.next(), Beat):
            pass
        assert await feed.next() == Beat(1)


async def test_a_gateway_that_goes_is_forgotten(tmp_path: Path) -> None:
    async with keeper(tmp_path, heartbeat_s=0.02) as at:
        async with at.feed() as feed:
            await feed.next()
            assert at.outlet.is_followed(ACME)
        await until(lambda: not at.outlet.is_followed(ACME))


async def test_a_tenant_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    async with keeper(tmp_path) as at:
        with pytest.raises(NotFound):
            await anext(at.client.feed(NOBODY))
        with pytest.raises(NotFound):
            await at.client.since(Topic(NOBODY), Place("epoch-1", 0), 10)
        assert not at.outlet.is_followed(NOBODY)


async def test_a_keeper_that_falls_silent_is_unavailable(tmp_path: Path) -> None:
    async with keeper(tmp_path, silence_s=0.1) as at, at.feed() as feed:
        await feed.next()
        with pytest.raises(Unavailable):
            await feed.next()


async def test_a_keeper_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    async with LiveClient(tmp_path / "k.sock") as client:
        with pytest.raises(Unavailable):
            await anext(client.feed(ACME))
        with pytest.raises(Unavailable):
            await client.since(Topic(ACME), Place("epoch-1", 0), 10)


async def test_a_keeper_that_ends_ends_its_feeds(tmp_path: Path) -> None:
    async with keeper(tmp_path) as at, at.feed() as feed:
        await feed.next()
        at.outlet.close()
        with pytest.raises(StopAsyncIteration):
            await feed.next()
        with pytest.raises(Unavailable):
            await anext(at.client.feed(ACME))


async def test_what_a_user_missed_is_asked_for_with_their_name(tmp_path: Path) -> None:
    async with keeper(tmp_path) as at:
        at.acme.span("t1", "ann")
        at.acme.span("t2", "bob")
        missed = await at.client.since(Topic(ACME, user="ann"), Place("epoch-1", 0), 10)
        assert missed == Missed(2, (at.acme.change("t1", ("ann",)),))
