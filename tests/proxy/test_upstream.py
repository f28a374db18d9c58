"""Calls through real sockets: what arrives, what comes back, and what happens when a side fails."""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from tests.proxy.loopback import (
    MOUNT,
    TOKEN,
    answering,
    between,
    client,
    roost,
    until,
    whole_body,
)

from roost.errors import TooLarge
from roost.http.call import Message, Receive, Scope, Send
from roost.http.guard import limited
from roost.policy.decision import Treatment
from roost.proxy.admitted import Admitted
from roost.proxy.pools import PoolLimits
from roost.proxy.upstream import BrokenOff, RouteStale, Stale

MB = 1024 * 1024
SSE = [(b"content-type", b"text/event-stream")]


async def test_the_cell_gets_the_judged_call_with_our_token() -> None:
    seen: list[Scope] = []
    async with between(answering(seen=seen)) as (proxy, http):
        url = f"{proxy.url}/v1/projects/a%2Fb?q=%C3%A9"
        async with http.get(url, headers={"X_Forwarded_Email": "bob@globex.example"}) as answer:
            assert answer.status == 200
    (scope,) = seen
    headers = dict(scope["headers"])
    assert (scope["raw_path"], scope["query_string"]) == (b"/v1/projects/a%2Fb", b"q=%C3%A9")
    assert headers[b"authorization"] == f"Bearer {TOKEN}".encode()
    assert headers[b"host"] == proxy.route.address.removeprefix("http://").encode()
    assert not [name for name in headers if b"forwarded" in name]


async def test_headers_that_nobody_sent_are_not_made_up() -> None:
    seen: list[Scope] = []
    async with between(answering(seen=seen)) as (proxy, _):
        host, port = proxy.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: roost\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
    assert {name for name, _ in seen[0]["headers"]} == {b"host", b"authorization"}


async def test_cookies_of_the_cell_are_neither_passed_on_nor_replayed() -> None:
    seen: list[Scope] = []
    cell = answering(headers={"set-cookie": "phoenix-access-token=secret"}, seen=seen)
    async with between(cell) as (proxy, http):
        for _ in range(2):
            async with http.get(proxy.url) as answer:
                assert "set-cookie" not in answer.headers
    assert not [name for scope in seen for name, _ in scope["headers"] if name == b"cookie"]


@pytest.mark.parametrize("size", [0, 10, 200 * 1024, 3 * MB], ids=lambda size: f"{size} B")
@pytest.mark.parametrize("how", ["length", "chunked", "judged"])
async def test_a_body_arrives_whole(how: str, size: int) -> None:
    sent = bytes(range(256)) * (size // 256)
    got: list[tuple[bytes, bytes]] = []

    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        got.append((await whole_body(receive), dict(scope["headers"]).get(b"content-type", b"")))
        await answering()(scope, _nothing, send)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(sent), 50_000):
            yield sent[start : start + 50_000]

    def judged(admitted: Admitted) -> Admitted:
        return replace(admitted, body=sent, set_headers={"Content-Type": "application/x-judged"})

    change = judged if how == "judged" else lambda admitted: admitted
    async with between(cell, change=change) as (proxy, http):
        whole = io.BytesIO(b"replaced" if how == "judged" else sent)
        data = chunks() if how == "chunked" else whole
        async with http.post(proxy.url, data=data, headers={"content-type": "a/b"}) as answer:
            assert answer.status == 200
    assert got == [(sent, b"application/x-judged" if how == "judged" else b"a/b")]


async def test_compressed_answers_pass_as_they_are() -> None:
    packed = gzip.compress(b"x" * 10_000)
    cell = answering(packed, {"content-encoding": "gzip"})
    async with between(cell) as (proxy, http), http.get(proxy.url) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert await answer.read() == packed


async def test_head_has_the_length_and_no_body() -> None:
    cell = answering(b"12345", {"content-length": "5"})
    async with between(cell) as (proxy, http), http.head(proxy.url) as answer:
        assert answer.headers["content-length"] == "5"
        assert await answer.read() == b""


@pytest.mark.parametrize("kind", ["text/event-stream", "multipart/mixed; boundary=graphql"])
async def test_events_come_as_they_happen(kind: str) -> None:
    step = asyncio.Event()

    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", kind.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(3):
            await send(_part(b"%d\n" % number))
            await step.wait()
            step.clear()
        await send(_part(b"", more=False))

    async with between(cell, Treatment.STREAM) as (proxy, http), http.get(proxy.url) as answer:
        assert answer.headers["cache-control"] == "private, no-store, no-transform"
        assert answer.headers["x-accel-buffering"] == "no"
        for number in range(3):
            assert await answer.content.readline() == b"%d\n" % number
            step.set()


async def test_a_stream_may_be_silent_for_longer_than_an_answer() -> None:
    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": SSE})
        await asyncio.sleep(0.4)
        await send(_part(b"late", more=False))

    async with (
        between(cell, Treatment.STREAM, silence_s=0.1) as (proxy, http),
        http.get(proxy.url) as answer,
    ):
        assert await answer.read() == b"late"


async def test_a_silent_cell_is_504() -> None:
    async with between(_silent, silence_s=0.2) as (proxy, http), http.get(proxy.url) as answer:
        assert answer.status == 504
        assert "retry-after" not in answer.headers


async def test_a_call_for_which_no_connection_is_free_is_503() -> None:
    seen: list[Scope] = []

    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await _silent(scope, receive, send)

    limits = PoolLimits(connections=1, connect_s=0.2)
    async with between(cell, limits=limits) as (proxy, http):
        first = asyncio.create_task(http.get(f"{proxy.url}/a").__aenter__())
        await until(lambda: bool(seen))
        async with http.get(f"{proxy.url}/b") as answer:
            assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        first.cancel()


async def test_a_caller_who_hangs_up_ends_the_call_in_the_cell() -> None:
    ended = asyncio.Event()

    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": SSE})
        await send(_part(b"first"))
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.set()

    async with between(cell, Treatment.STREAM) as (proxy, http):
        async with http.get(proxy.url) as answer:
            assert await answer.content.readany() == b"first"
            answer.close()
        async with asyncio.timeout(5):
            await ended.wait()
        assert not proxy.raised
        assert not proxy.broke


async def test_a_caller_who_hangs_up_before_the_answer_ends_the_call_too() -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        await whole_body(receive)
        asked.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.set()

    async with between(cell) as (proxy, http):
        call = asyncio.create_task(http.post(proxy.url, data=b"x").__aenter__())
        async with asyncio.timeout(5):
            await asked.wait()
            call.cancel()
            await ended.wait()
        assert not proxy.raised


async def test_a_caller_who_hangs_up_in_the_middle_of_a_body_leaves_the_cell_a_broken_one() -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.set()

    async with between(cell) as (proxy, _):
        host, port = proxy.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST / HTTP/1.1\r\nHost: roost\r\nContent-Length: 9999\r\n\r\nabc")
        async with asyncio.timeout(5):
            await asked.wait()
            writer.close()
            await ended.wait()
        assert not proxy.raised


@pytest.mark.parametrize("length", [None, 1000], ids=["chunked", "with a length"])
async def test_an_answer_that_breaks_off_never_ends_as_if_it_were_whole(length: int | None) -> None:
    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", str(length).encode())] if length else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(_part(b"half"))
        await asyncio.sleep(0.05)
        raise ConnectionError("the cell dies")

    async with between(cell) as (proxy, http), http.get(proxy.url) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
        assert [type(error) for error in proxy.broke] == [BrokenOff]


async def test_a_forgotten_instance_breaks_off_what_is_under_way() -> None:
    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": SSE})
        await send(_part(b"first"))
        await receive()

    async with between(cell, Treatment.STREAM) as (proxy, http), http.get(proxy.url) as answer:
        await answer.content.readany()
        await proxy.upstream.forget("instance-1")
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_a_cell_that_is_not_there_is_a_stale_route_and_may_be_asked_again() -> None:
    async with (
        roost("http://127.0.0.1:1") as proxy,
        client() as http,
        http.post(proxy.url, data=b"body") as answer,
    ):
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "127.0.0.1" not in await answer.text()
    stale = proxy.raised[0]
    assert isinstance(stale, RouteStale)
    assert stale.what is Stale.INSTANCE
    assert (stale.may_repeat, stale.body) == (True, b"body")


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("POST", False), ("DELETE", False)])
async def test_a_cell_that_dies_before_its_answer_is_asked_again_only_where_that_is_safe(
    method: str, again: bool
) -> None:
    async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    cell = await asyncio.start_server(dying, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{cell.sockets[0].getsockname()[1]}"
    async with (
        cell,
        roost(address) as proxy,
        client() as http,
        http.request(method, proxy.url) as answer,
    ):
        assert answer.status == 503
    stale = proxy.raised[0]
    assert isinstance(stale, RouteStale)
    assert stale.may_repeat is again


async def test_a_refused_token_is_told_to_whoever_can_renew_it() -> None:
    async with (
        between(answering(b"secret", status=401)) as (proxy, http),
        http.post(proxy.url, data=b"body") as answer,
    ):
        assert answer.status == 503
        assert b"secret" not in await answer.read()
    stale = proxy.raised[0]
    assert isinstance(stale, RouteStale)
    assert stale.what is Stale.TOKEN
    assert (stale.may_repeat, stale.body) == (True, b"body")


async def test_a_streamed_body_cannot_be_sent_again() -> None:
    async with (
        between(answering(status=401)) as (proxy, http),
        http.post(proxy.url, data=io.BytesIO(b"x" * 3 * MB)) as answer,
    ):
        assert answer.status == 503
    stale = proxy.raised[0]
    assert isinstance(stale, RouteStale)
    assert not stale.may_repeat


@pytest.mark.parametrize(("status", "shown"), [(500, 502), (501, 502), (503, 503), (507, 503)])
async def test_failures_of_the_cell_show_nothing_of_the_inside(status: int, shown: int) -> None:
    cell = answering(b'{"detail": "/var/lib/acme/phoenix.db is locked"}', status=status)
    async with between(cell) as (proxy, http), http.get(proxy.url) as answer:
        assert answer.status == shown
        assert answer.headers["content-type"] == "application/problem+json"
        assert "phoenix.db" not in await answer.text()


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
async def test_refusals_of_the_cell_pass(status: int) -> None:
    cell = answering(b'{"detail": "no"}', status=status)
    async with between(cell) as (proxy, http), http.get(proxy.url) as answer:
        assert (answer.status, await answer.read()) == (status, b'{"detail": "no"}')


@pytest.mark.parametrize("treatment", [Treatment.PRIVATE, Treatment.STREAM, Treatment.ASSET])
async def test_phoenixs_page_where_none_was_asked_for_is_404(treatment: Treatment) -> None:
    cell = answering(b"<html></html>", {"content-type": "text/html; charset=utf-8"})
    async with between(cell, treatment) as (proxy, http), http.get(proxy.url) as answer:
        assert answer.status == 404


async def test_an_asset_that_is_not_there_is_not_cached() -> None:
    cell = answering(status=404)
    async with between(cell, Treatment.ASSET) as (proxy, http), http.get(proxy.url) as answer:
        assert answer.headers["cache-control"] == "private, no-store"


async def test_a_redirect_is_led_back_to_the_mount() -> None:
    cell = answering(b"", {"location": f"{MOUNT}/v1/projects"}, status=307)
    async with between(cell) as (proxy, http), http.get(proxy.url, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["location"]) == (307, f"{MOUNT}/v1/projects")


async def test_a_redirect_to_a_stranger_is_502() -> None:
    cell = answering(b"", {"location": "https://evil.example/"}, status=302)
    async with between(cell) as (proxy, http), http.get(proxy.url, allow_redirects=False) as answer:
        assert answer.status == 502
        assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/a b", "/a\r\nx: y", "/a#b", "no-slash", "/\u00e9"], ids=repr)
async def test_a_path_that_is_not_encoded_goes_nowhere(path: str) -> None:
    seen: list[Scope] = []

    def change(admitted: Admitted) -> Admitted:
        return replace(admitted, path=path)

    async with (
        between(answering(seen=seen), change=change) as (proxy, http),
        http.get(proxy.url) as answer,
    ):
        assert answer.status == 400
    assert not seen


async def test_a_limit_on_the_body_is_told_as_such() -> None:
    def wrap(scope: Scope, receive: Receive) -> Receive:
        return limited(receive, tuple(scope["headers"]), MB)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    async def hungry(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async with (
        between(hungry, wrap=wrap) as (proxy, http),
        http.post(proxy.url, data=chunks()) as answer,
    ):
        assert answer.status == 413
    assert isinstance(proxy.raised[0], TooLarge)


async def test_a_slow_reader_slows_the_cell_down_and_memory_stays_flat() -> None:
    given = 0

    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal given
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send(_part(b"x" * MB))
            given += MB
        await send(_part(b"", more=False))

    before = _rss_kib()
    async with between(cell) as (proxy, http), http.get(proxy.url) as answer:
        await answer.content.readexactly(MB)
        stopped = await _when_still(lambda: given)
        assert stopped < 40 * MB, "sockets and buffers hold some, not the answer"
        size = MB
        async for chunk in answer.content.iter_any():
            size += len(chunk)
    assert size == 100 * MB
    assert _rss_kib() - before < 40 * 1024


async def _when_still(value: Callable[[], int]) -> int:
    """What a callable gives when it has stopped changing."""
    last = -1
    while (now := value()) != last:
        last = now
        await asyncio.sleep(0.2)
    return last


def _rss_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def _part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _silent(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
