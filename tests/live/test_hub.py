"""Watchers, topics and one feed a tenant, from the keeper's outlet to what a watcher is sent."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.live.home import ACME, GLOBEX, Home, Homes
from tests.proxy.loopback import until

from roost.errors import NotFound, NotSignedIn, Unavailable
from roost.live.changes import Missed, Place, Topic
from roost.live.channel import Pulse, Watcher
from roost.live.hub import Hub
from roost.live.messages import Line
from roost.live.outlet import Outlet
from roost.model import TenantId

DEADLINE_S = 5.0
ANN, BOB, EVERYBODY = Topic(ACME, user="ann"), Topic(ACME, user="bob"), Topic(ACME)
QUICK = Pulse(heartbeat_s=60.0, pace_s=0.0)


@dataclass
class Wire:
    """What lies between keeper and gateway; `cut` breaks it, as the end of a keeper does."""

    outlet: Outlet
    opened: int = 0
    is_down: bool = False
    feeds: set["asyncio.Task[None]"] = field(default_factory=set)
    asked: list[Topic] = field(default_factory=list)

    async def feed(self, tenant_id: TenantId) -> AsyncGenerator[Line, None]:
        if self.is_down:
            raise Unavailable(reason="down")
        self.opened += 1
        async for line in self.outlet.feed(tenant_id):
            yield line
        raise Unavailable(reason="cut")

    async def since(self, topic: Topic, place: Place, limit: int) -> Missed | None:
        self.asked.append(topic)
        return await self.outlet.since(topic, place, limit)


@dataclass
class World:
    acme: Home
    globex: Home
    homes: Homes
    wire: Wire
    hub: Hub

    def restart_keeper(self) -> None:
        """Another process: nothing is left of who followed."""
        self.wire.outlet.close()
        self.wire.outlet = self.homes.outlet()


@asynccontextmanager
async def world(pulse: Pulse = QUICK, backlog_max: int = 100) -> AsyncIterator[World]:
    homes = Homes()
    wire = Wire(homes.outlet())
    hub = Hub(
        wire.feed, wire.since, backlog_max=backlog_max, chance=lambda: 0.0, pulse=pulse, linger_s=0
    )
    async with hub:
        yield World(homes.homes[ACME], homes.homes[GLOBEX], homes, wire, hub)


async def news(watcher: Watcher) -> list[dict[str, object]]:
    """The next frames, without their ids."""
    async with asyncio.timeout(DEADLINE_S):
        said = [json.loads(frame.text) for frame in await watcher.next()]
    return [{key: value for key, value in one.items() if key != "id"} for one in said]


async def last_id(watcher: Watcher) -> str:
    async with asyncio.timeout(DEADLINE_S):
        return (await watcher.next())[-1].id


def upsert(trace_id: str, spans: int, *, own: bool = False) -> dict[str, object]:
    mine = {"own": 1} if own else {}
    return {"type": "upsert", "trace": {"id": trace_id, "spans": spans, **mine}}


def remove(trace_id: str) -> dict[str, object]:
    return {"type": "remove", "trace_id": trace_id}


async def quiet(watcher: Watcher) -> bool:
    """Nothing is sent for a while in which everything else would be."""
    try:
        async with asyncio.timeout(0.05):
            await watcher.next()
    except TimeoutError:
        return True
    return False


async def test_a_change_reaches_those_who_may_see_it_and_nobody_else() -> None:
    async with (
        world() as at,
        at.hub.watching(EVERYBODY) as all_,
        at.hub.watching(ANN) as ann,
        at.hub.watching(BOB) as bob,
        at.hub.watching(Topic(GLOBEX)) as globex,
    ):
        at.acme.span("t1", "ann")
        assert await news(all_) == [upsert("t1", 1)]
        assert await news(ann) == [upsert("t1", 1, own=True)]
        assert await quiet(bob)
        assert await quiet(globex)


async def test_a_late_span_of_another_user_takes_the_trace_away() -> None:
    async with world() as at, at.hub.watching(ANN) as ann, at.hub.watching(BOB) as bob:
        at.acme.span("t1", "ann")
        assert await news(ann) == [upsert("t1", 1, own=True)]
        at.acme.span("t1", "bob")
        assert await news(ann) == [remove("t1")]
        assert await quiet(bob)


async def test_a_deleted_trace_is_taken_from_everybody() -> None:
    async with world() as at, at.hub.watching(EVERYBODY) as all_, at.hub.watching(ANN) as ann:
        at.acme.span("t1", "ann")
        await news(all_)
        await news(ann)
        at.acme.delete("t1")
        assert await news(all_) == [remove("t1")]
        assert await news(ann) == [remove("t1")]


async def test_a_projects_topic_holds_its_own_traces() -> None:
    async with world() as at, at.hub.watching(Topic(ACME, "shop")) as shop:
        at.acme.span("t1", project="default")
        at.acme.span("t2", project="shop")
        assert await news(shop) == [upsert("t2", 1)]


async def test_changes_of_one_trace_become_one_and_what_does_not_fit_is_counted() -> None:
    async with world(backlog_max=2) as at, at.hub.watching(EVERYBODY) as slow:
        for trace_id in ("t1", "t2", "t2", "t3", "t2", "t4"):
            at.acme.span(trace_id)
        await asyncio.sleep(0.01)  # all of it goes through the feed before anybody reads
        dropped = {"type": "missed", "count": 2}
        assert await news(slow) == [dropped, upsert("t2", 3), upsert("t4", 1)]


async def test_a_watcher_who_reads_nothing_is_nobodys_trouble() -> None:
    async with (
        world(backlog_max=5) as at,
        at.hub.watching(EVERYBODY) as stuck,
        at.hub.watching(EVERYBODY) as reader,
    ):
        for number in range(200):
            at.acme.span(f"t{number}")
            assert await news(reader) == [upsert(f"t{number}", 1)]
        assert (await news(stuck))[0] == {"type": "missed", "count": 195}


async def test_heartbeats_come_on_their_own_whatever_else_does() -> None:
    pulse = Pulse(heartbeat_s=0.03, pace_s=0.0)
    async with world(pulse) as at, at.hub.watching(ANN) as ann:
        for _ in range(3):
            at.acme.span("t9", "bob")
            assert await news(ann) == [{"type": "heartbeat"}]


async def test_a_watcher_rests_between_two_deliveries() -> None:
    pulse = Pulse(heartbeat_s=60, pace_s=0.05)
    async with world(pulse) as at, at.hub.watching(EVERYBODY) as watcher:
        at.acme.span("t1")
        assert await news(watcher) == [upsert("t1", 1)]
        at.acme.span("t1")
        at.acme.span("t1")
        assert await news(watcher) == [upsert("t1", 3)]


async def test_who_comes_back_is_told_what_changed_meanwhile() -> None:
    async with world() as at:
        async with at.hub.watching(EVERYBODY) as watcher:
            token = watcher.hello(resuming=False).id
        at.acme.span("t1")
        at.acme.span("t1")
        at.acme.span("t2")
        async with at.hub.watching(EVERYBODY) as watcher:
            watcher.resume(token)
            told = [upsert("t1", 2), upsert("t2", 1), {"type": "resumed"}]
            assert (await news(watcher))[:3] == told
            at.acme.span("t2")
            assert await news(watcher) == [upsert("t2", 2)]


async def test_every_id_is_a_place_to_resume_from_without_a_loss() -> None:
    async with world() as at:
        async with at.hub.watching(EVERYBODY) as watcher:
            for trace_id in ("t1", "t2", "t3"):
                at.acme.span(trace_id)
            await asyncio.sleep(0.01)
            sent = await watcher.next()
        for number, frame in enumerate(sent, start=1):
            async with at.hub.watching(EVERYBODY) as watcher:
                watcher.resume(frame.id)
                told = await news(watcher)
                assert told[-len(sent[number:]) - 1 : -1] == [
                    upsert(f"t{one}", 1) for one in range(number + 1, 4)
                ]


async def test_an_end_user_who_comes_back_lets_go_of_what_is_hidden_now() -> None:
    async with world() as at:
        async with at.hub.watching(ANN) as ann:
            at.acme.span("t1", "ann")
            at.acme.span("t2", "ann")
            await asyncio.sleep(0.01)
            await news(ann)
            token = watcher_now(ann)
        at.acme.span("t1", "bob")
        at.acme.delete("t2")
        at.acme.span("t3", "bob")
        async with at.hub.watching(ANN) as ann:
            ann.resume(token)
            assert await news(ann) == [remove("t2"), remove("t1"), {"type": "resumed"}]


def watcher_now(watcher: Watcher) -> str:
    return watcher.hello(resuming=False).id


@pytest.mark.parametrize("token", ["", "forged", "A" * 70, "A" * 10_000])
async def test_a_forged_token_loads_anew(token: str) -> None:
    async with world() as at, at.hub.watching(ANN) as ann:
        at.acme.span("t1", "bob")
        ann.resume(token)
        assert await news(ann) == [{"type": "reset"}]
        assert not at.wire.asked


async def test_a_token_of_another_topic_loads_anew() -> None:
    async with world() as at, at.hub.watching(EVERYBODY) as all_, at.hub.watching(ANN) as ann:
        at.acme.span("t1", "bob")
        ann.resume(await last_id(all_))
        assert await news(ann) == [{"type": "reset"}]


async def test_too_much_and_too_long_ago_load_anew() -> None:
    async with world() as at, at.hub.watching(EVERYBODY) as watcher:
        token = watcher_now(watcher)
        for number in range(500):
            at.acme.span(f"t{number}")
        async with at.hub.watching(EVERYBODY) as again:
            again.resume(token)
            assert {"type": "resumed"} in await news(again)
            at.acme.memory = 499
            again.resume(token)
            assert (await news(again)) == [{"type": "reset"}]
            at.acme.memory = 1000
            at.acme.span("t500")
            await news(again)
            again.resume(token)
            assert (await news(again)) == [{"type": "reset"}]


async def test_a_keeper_that_restarts_leaves_no_gap() -> None:
    async with world() as at, at.hub.watching(EVERYBODY) as watcher:
        at.acme.span("t1")
        assert await news(watcher) == [upsert("t1", 1)]
        at.wire.is_down = True
        at.restart_keeper()
        at.acme.span("t2")
        at.wire.is_down = False
        assert (await news(watcher))[-1] == upsert("t2", 1)
        at.acme.span("t3")
        assert await news(watcher) == [upsert("t3", 1)]
        assert at.wire.opened == 2


async def test_a_trace_that_moves_is_new_there_and_gone_from_here() -> None:
    async with (
        world() as at,
        at.hub.watching(EVERYBODY) as all_,
        at.hub.watching(ANN) as ann,
        at.hub.watching(Topic(ACME, "here")) as here,
        at.hub.watching(Topic(ACME, "there")) as there,
    ):
        at.acme.span("t1", "ann", "here")
        for watcher in (all_, ann, here):
            await news(watcher)
        at.acme.move("t1", "there")
        assert await news(all_) == [upsert("t1", 1)]
        assert await news(ann) == [upsert("t1", 1, own=True)]
        assert await news(here) == [remove("t1")]
        assert await news(there) == [upsert("t1", 1)]


async def test_another_epoch_loads_anew() -> None:
    async with world() as at, at.hub.watching(EVERYBODY) as watcher:
        at.acme.span("t1")
        token = await last_id(watcher)
        at.acme.epoch = "epoch-2"
        at.restart_keeper()
        assert await news(watcher) == [{"type": "reset"}]
        async with at.hub.watching(EVERYBODY) as again:
            again.resume(token)
            assert await news(again) == [{"type": "reset"}]


async def test_a_gateway_that_falls_behind_is_cut_and_catches_up() -> None:
    async with world() as at, at.hub.watching(EVERYBODY) as watcher:
        await asyncio.sleep(0)
        for _ in range(1500):  # more batches than the outlet keeps, before anybody could read
            at.acme.span("t1")
        seen = 0
        while seen < 1500:
            (*_, newest) = await news(watcher)
            trace = newest["trace"]
            assert isinstance(trace, dict)
            seen = trace["spans"]
        assert at.wire.opened == 2


async def test_a_tenant_that_is_gone_ends_its_watchers() -> None:
    async with world() as at, at.hub.watching(EVERYBODY) as watcher:
        del at.homes.homes[ACME]
        at.wire.outlet.end(ACME)
        with pytest.raises(NotSignedIn):
            await news(watcher)
        with pytest.raises(NotFound):
            async with at.hub.watching(EVERYBODY):
                pass


async def test_one_feed_serves_all_and_ends_with_the_last() -> None:
    async with world() as at:
        async with at.hub.watching(EVERYBODY), at.hub.watching(ANN), at.hub.watching(BOB):
            assert at.hub.feeds == 1
            assert at.wire.opened == 1
            assert at.wire.outlet.is_followed(ACME)
        await until(lambda: not at.hub.feeds and not at.wire.outlet.is_followed(ACME))


async def test_a_watcher_that_leaves_gets_nothing() -> None:
    async with world() as at, at.hub.watching(EVERYBODY) as watcher:
        watcher.leave()
        at.acme.span("t1")
        assert await watcher.next() == []
