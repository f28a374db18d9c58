"""Both transports over loopback: who is told what, and when it ends."""

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import aiohttp
import pytest
from tests.http.live_world import (
    DEADLINE_S,
    Socket,
    Watching,
    World,
    events,
    expect,
    session,
    socket,
    world,
)
from tests.live.home import ACME
from tests.proxy.loopback import until

from roost.http.live import Patience
from roost.http.live_seats import Seats
from roost.live.channel import Pulse


class Watch(Protocol):
    """`events` or `socket`."""

    def __call__(
        self, at: World, user: str = "", *, key: str = "", query: str = ""
    ) -> AbstractAsyncContextManager[Watching]: ...


both = pytest.mark.parametrize("watch", [events, socket], ids=["events", "socket"])


@both
async def test_a_viewer_sees_all_and_an_end_user_their_own(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path) as at, watch(at, "vera") as vera, watch(at, "ann") as ann:
        await expect(vera, "hello")
        await expect(ann, "hello")
        at.acme.span("t1", "bob")
        at.acme.span("t2", "ann")
        first, second = await expect(vera, "upsert", "upsert")
        assert [first.data["trace"], second.data["trace"]] == [
            {"id": "t1", "spans": 1},
            {"id": "t2", "spans": 1},
        ]
        (own,) = await expect(ann, "upsert")
        assert own.data["trace"] == {"own": 1, "id": "t2", "spans": 1}


@both
async def test_a_late_span_hides_the_trace_again(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path) as at, watch(at, "ann") as ann:
        await expect(ann, "hello")
        at.acme.span("t1", "ann")
        await expect(ann, "upsert")
        at.acme.span("t1", "bob")
        (gone,) = await expect(ann, "remove")
        assert gone.data["trace_id"] == "t1"


@both
async def test_one_project_is_watched_by_its_name(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path) as at, watch(at, "vera", query="?project=my%20shop") as vera:
        await expect(vera, "hello")
        at.acme.span("t1", project="default")
        at.acme.span("t2", project="my shop")
        (only,) = await expect(vera, "upsert")
        assert only.data["trace"] == {"id": "t2", "spans": 1}


@both
async def test_a_key_watches_its_tenant(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path) as at, watch(at, key=at.key.token) as one:
        await expect(one, "hello")
        at.globex.span("t1")
        at.acme.span("t2")
        (only,) = await expect(one, "upsert")
        assert only.data["trace"] == {"id": "t2", "spans": 1}


@both
async def test_heartbeats_keep_proxies_awake(tmp_path: Path, watch: Watch) -> None:
    pulse = Pulse(heartbeat_s=0.05, pace_s=0)
    async with world(tmp_path, pulse=pulse) as at, watch(at, "ann") as ann:
        (hello, *beats) = await expect(ann, "hello", "heartbeat", "heartbeat")
        assert hello.data["heartbeat_s"] == 0.05
        assert len({hello.id, *(beat.id for beat in beats)}) == 3


@both
async def test_a_revoked_proof_ends_the_stream_at_once(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path) as at, watch(at, key=at.key.token) as one:
        await expect(one, "hello")
        at.calls.cut(at.key.id)
        await expect(one, "expired")
        assert await one.next() is None
        if isinstance(one, Socket):
            assert one.ws.close_code == 4401


@both
async def test_a_proof_that_ends_is_found_out(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path, recheck_s=0.05) as at, watch(at, "ann") as ann:
        await expect(ann, "hello")
        del at.people["ann"]
        await expect(ann, "expired")
        assert await ann.next() is None


@both
async def test_another_role_is_another_view(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path, recheck_s=0.05) as at, watch(at, "vera") as vera:
        await expect(vera, "hello")
        at.people["vera"] = replace(at.people["vera"], role="end_user")
        await expect(vera, "expired")


@both
async def test_a_proof_that_holds_is_left_alone(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path, recheck_s=0.01) as at, watch(at, "vera") as vera:
        await expect(vera, "hello")
        at.people["vera"] = replace(at.people["vera"], role="admin")
        await asyncio.sleep(0.1)  # ten looks at the proof
        at.acme.span("t1")
        await expect(vera, "upsert")


@both
async def test_a_deleted_tenant_ends_its_streams(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path) as at, watch(at, "vera") as vera:
        await expect(vera, "hello")
        del at.homes.homes[ACME]
        at.outlet.end(ACME)
        await expect(vera, "expired")


@both
async def test_a_keeper_that_restarts_is_no_gap(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path) as at, watch(at, "vera") as vera:
        await expect(vera, "hello")
        at.acme.span("t1")
        await expect(vera, "upsert")
        await at.stop_keeper()
        at.acme.span("t2")
        await at.start_keeper()
        again, missed = await expect(vera, "upsert", "upsert")
        assert again.data["trace"] == {"id": "t1", "spans": 1}
        assert missed.data["trace"] == {"id": "t2", "spans": 1}


ROWS, ROW_CHARACTERS = 600, 50_000
"""Far more than the sockets between hold."""


@both
async def test_a_watcher_that_reads_nothing_harms_nobody(tmp_path: Path, watch: Watch) -> None:
    """Its socket fills, its queue is bounded, and when it reads again it is told what it lost."""
    quick = Pulse(heartbeat_s=60, pace_s=0)
    async with (
        world(tmp_path, backlog_max=8, patience=Patience(stall_s=60), pulse=quick) as at,
        watch(at, "vera") as stuck,
        watch(at, "vera") as reader,
    ):
        await expect(stuck, "hello")
        await expect(reader, "hello")
        for number in range(ROWS):
            at.acme.span(f"t{number}-" + "x" * ROW_CHARACTERS)
            (told,) = await expect(reader, "upsert")
            assert str(told.data["trace"]).startswith(f"{{'id': 't{number}-")
        read = lost = 0
        while read + lost < ROWS:
            said = await stuck.next()
            assert said is not None
            read += said.kind == "upsert"
            lost += int(str(said.data.get("count", 0)))
        assert lost > 0
        assert read + lost == ROWS


@both
async def test_who_goes_is_forgotten(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path) as at:
        async with watch(at, "vera") as vera:
            await expect(vera, "hello")
            assert at.seats._all == 1
        await until(lambda: at.seats._all == 0)
        assert at.raised == []


async def resumed_by_header(at: World, user: str, token: str, kinds: list[str]) -> list[object]:
    async with events(at, user, last_id=token) as again:
        (hello, *rest) = await expect(again, "hello", *kinds)
        assert hello.id == ""
        return [said.data.get("trace") or said.data.get("trace_id") for said in rest]


async def resumed_by_message(at: World, user: str, token: str, kinds: list[str]) -> list[object]:
    async with socket(at, user) as again:
        await expect(again, "hello")
        await again.ws.send_str(json.dumps({"type": "resume", "id": token}))
        rest = await expect(again, *kinds)
        return [said.data.get("trace") or said.data.get("trace_id") for said in rest]


resuming = pytest.mark.parametrize(
    ("watch", "resume"),
    [(events, resumed_by_header), (socket, resumed_by_message)],
    ids=["events", "socket"],
)


@resuming
async def test_who_comes_back_misses_nothing(tmp_path: Path, watch, resume) -> None:  # type: ignore[no-untyped-def]
    async with world(tmp_path) as at:
        async with watch(at, "ann") as ann:
            (hello,) = await expect(ann, "hello")
        at.acme.span("t1", "ann")
        at.acme.span("t2", "bob")
        at.acme.span("t3", "ann")
        at.acme.span("t3", "bob")
        told = await resume(at, "ann", hello.id, ["upsert", "remove", "resumed"])
        assert told == [{"own": 1, "id": "t1", "spans": 1}, "t3", None]


@resuming
async def test_a_token_of_somebody_else_opens_nothing(tmp_path: Path, watch, resume) -> None:  # type: ignore[no-untyped-def]
    async with world(tmp_path) as at:
        async with watch(at, "bob") as bob:
            (hello,) = await expect(bob, "hello")
        at.acme.span("t1", "bob")
        for token in (hello.id, "forged"):
            assert await resume(at, "ann", token, ["reset"]) == [None]


async def test_an_event_stream_is_never_kept_or_changed_on_its_way(tmp_path: Path) -> None:
    async with world(tmp_path) as at, events(at, "ann") as ann:
        headers = ann.answer.headers
        assert headers["cache-control"] == "private, no-store, no-transform"
        assert headers["x-accel-buffering"] == "no"
        assert headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("user", "accept", "query", "status"),
    [
        ("", "text/event-stream", "", 401),
        ("gus", "text/event-stream", "", 404),
        ("ann", "application/json", "", 406),
        ("ann", "text/event-stream", "?project=a&project=b", 400),
        ("ann", "text/event-stream", "?user=bob", 400),
        ("ann", "text/event-stream", "?token=rk_1", 400),
    ],
)
async def test_a_stream_that_may_not_be_is_a_problem(
    tmp_path: Path, user: str, accept: str, query: str, status: int
) -> None:
    async with (
        world(tmp_path) as at,
        session(user) as one,
        one.get(at.live + query, headers={"Accept": accept}) as answer,
    ):
        assert answer.status == status
        assert answer.content_type == "application/problem+json"


async def test_an_ingest_key_watches_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        at.scopes = ["ingest"]
        async with (
            session(key=at.key.token) as one,
            one.get(at.live, headers={"Accept": "text/event-stream"}) as answer,
        ):
            assert answer.status == 403
        async with socket(at, key=at.key.token) as refused:
            assert await refused.next() is None
            assert refused.ws.close_code == 4403


async def test_a_foreign_page_opens_no_socket_by_cookie(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with socket(at, "vera", origin="https://evil.example"):
                pass
        assert refused.value.status == 403
        async with socket(at, "vera", origin="https://partner.example") as listed:
            await expect(listed, "hello")


TOKEN_FIRST = ("roost.live.token",)


@pytest.mark.parametrize("protocols", [TOKEN_FIRST, ()], ids=str)
async def test_a_key_may_come_in_the_first_message(
    tmp_path: Path, protocols: tuple[str, ...]
) -> None:
    async with world(tmp_path) as at, socket(at, protocols=protocols) as one:
        await one.ws.send_str(json.dumps({"token": at.key.token}))
        await expect(one, "hello")
        at.acme.span("t1")
        await expect(one, "upsert")
        at.calls.cut(at.key.id)
        await expect(one, "expired")


@pytest.mark.parametrize(
    "first", ['{"token": "rk_wrong"}', '{"token": 1}', "[]", "", '{"type":"resume","id":"x"}']
)
async def test_what_is_no_token_ends_the_socket(tmp_path: Path, first: str) -> None:
    async with world(tmp_path) as at, socket(at, protocols=TOKEN_FIRST) as one:
        await one.ws.send_str(first)
        assert await one.next() is None
        assert one.ws.close_code == 4401


async def test_a_token_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    soon = Patience(token_s=0.05)
    async with world(tmp_path, patience=soon) as at, socket(at, protocols=()) as one:
        assert await one.next() is None
        assert one.ws.close_code == 4401


@pytest.mark.parametrize(("user", "code"), [("", 4401), ("gus", 4404)])
async def test_a_socket_that_may_not_be_is_closed_with_its_status(
    tmp_path: Path, user: str, code: int
) -> None:
    async with world(tmp_path) as at, socket(at, user) as one:
        assert await one.next() is None
        assert one.ws.close_code == code


async def test_sockets_without_a_token_are_few(tmp_path: Path) -> None:
    async with world(tmp_path, seats=Seats(unnamed=1)) as at, socket(at, protocols=()):
        await until(lambda: at.seats._waiting == 1)
        async with socket(at, protocols=TOKEN_FIRST) as one:
            assert await one.next() is None
            assert one.ws.close_code == 4503


async def test_a_cookie_and_a_token_must_name_one_person(tmp_path: Path) -> None:
    async with world(tmp_path) as at, socket(at, "ann", protocols=TOKEN_FIRST) as one:
        await one.ws.send_str(json.dumps({"token": at.key.token}))
        assert await one.next() is None
        assert one.ws.close_code in (4400, 4401)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("{", 1008),
        ('{"type":"watch","project":"x"}', 1008),
        ('{"type":"resume","id":"x","user":"bob"}', 1008),
        ('{"token":"rk_1"}', 1008),
        (b"{}", 1003),
        ("x" * 9000, 1009),
    ],
    ids=["no JSON", "unknown type", "unknown field", "a late token", "bytes", "too large"],
)
async def test_a_client_that_says_anything_else_is_closed(
    tmp_path: Path, said: str | bytes, code: int
) -> None:
    async with world(tmp_path) as at, socket(at, "ann") as ann:
        await expect(ann, "hello")
        await (ann.ws.send_str(said) if isinstance(said, str) else ann.ws.send_bytes(said))
        assert await ann.next() is None
        assert ann.ws.close_code == code


async def test_a_client_resumes_once(tmp_path: Path) -> None:
    async with world(tmp_path) as at, socket(at, "ann") as ann:
        (hello,) = await expect(ann, "hello")
        for _ in range(2):
            await ann.ws.send_str(json.dumps({"type": "resume", "id": hello.id}))
        last = hello
        while (said := await ann.next()) is not None:
            last = said
        assert last.kind in ("hello", "resumed")
        assert ann.ws.close_code == 1008


async def test_one_proof_holds_so_many_views_and_no_more(tmp_path: Path) -> None:
    async with world(tmp_path, seats=Seats(each=1)) as at, events(at, "ann"), session("ann") as one:
        async with one.get(at.live, headers={"Accept": "text/event-stream"}) as answer:
            assert answer.status == 429
            assert "retry-after" in answer.headers
        async with events(at, "bob"):
            pass


async def test_a_full_gateway_says_so(tmp_path: Path) -> None:
    async with (
        world(tmp_path, seats=Seats(total=1)) as at,
        events(at, "ann"),
        socket(at, "bob") as one,
    ):
        assert await one.next() is None
        assert one.ws.close_code == 4503


@both
async def test_a_keeper_that_stays_away_ends_the_stream_without_a_word(
    tmp_path: Path, watch: Watch
) -> None:
    soon = Patience(grace_s=0.1)
    async with (
        world(tmp_path, recheck_s=0.05, patience=soon) as at,
        watch(at, key=at.key.token) as one,
    ):
        await expect(one, "hello")
        at.keeper_is_up = False
        assert await one.next() is None
        if isinstance(one, Socket):
            assert one.ws.close_code == 4503
        at.keeper_is_up = True


@both
async def test_a_keeper_that_is_back_in_time_is_waited_for(tmp_path: Path, watch: Watch) -> None:
    async with world(tmp_path, recheck_s=0.05) as at, watch(at, key=at.key.token) as one:
        await expect(one, "hello")
        at.keeper_is_up = False
        await asyncio.sleep(0.3)  # more than one look at the proof
        at.keeper_is_up = True
        at.acme.span("t1")
        await expect(one, "upsert")


async def test_sockets_are_not_compressed(tmp_path: Path) -> None:
    async with world(tmp_path) as at, socket(at, "ann") as ann:
        assert ann.ws.compress == 0


async def test_nobody_waits_for_a_keeper_that_is_not_there(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        await at.stop_keeper()
        async with session("vera") as one:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await one.get(at.live, headers={"Accept": "text/event-stream"})
        await at.start_keeper()
        async with asyncio.timeout(DEADLINE_S), events(at, "vera") as vera:
            await expect(vera, "hello")
