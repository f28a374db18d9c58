"""What the live view costs: memory of those who watch, and how long a change takes to all of them.

Three processes on loopback: a keeper that publishes, a gateway as `roost gateway` serves it (guard
and Phoenix left out), and this one, whose connections do nothing but note when a change arrives.
Times are taken from the system's one monotonic clock.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roost.http.call import Call, Receive, Scope, Send
from roost.http.live import Live
from roost.http.live_client import LiveClient
from roost.http.live_feed import live_routes
from roost.http.live_seats import Seats
from roost.http.open_calls import OpenCalls
from roost.http.routes import Endpoint, Match
from roost.http.serving import listen_unix, serving
from roost.live.changes import Change, Missed, Place, Topic
from roost.live.hub import Hub
from roost.live.outlet import Outlet
from roost.model import Principal, Proof, Role, Slug, Tenant, TenantId

ACME = TenantId("t-acme")
TENANT = Tenant(ACME, Slug("acme"), "Acme")
TARGETS = {"500 idle event streams": 100.0, "1,000 watchers": 200.0}
P95_MS = 300.0
ROW_BYTES = 600
START_TIMEOUT_S, ANSWER_TIMEOUT_S, LAST_ARRIVAL_S = 30.0, 60.0, 15.0
SENT_AT = re.compile(rb'"at":([0-9.]+)')


class Past:
    """A home that remembers nothing but how far it is."""

    position = 0

    async def place(self, tenant_id: TenantId) -> Place:
        return Place("bench", self.position)

    async def since(self, topic: Topic, position: int, limit: int) -> Missed | None:
        return Missed(self.position, ())


async def keep(path: Path) -> None:
    """The keeper: `/publish?count=…&every_s=…&user=…` publishes changes of a trace each."""
    past = Past()
    outlet = Outlet(past, lambda tenant_id: bytes(32), 10.0)

    async def publish(request: Request) -> Response:
        asked = request.query_params
        for _ in range(int(asked["count"])):
            past.position += 1
            change = _change(past.position, asked.get("user"))
            outlet.publish(ACME, past.position, [change])
            await asyncio.sleep(float(asked["every_s"]))
        return Response()

    app = Starlette(routes=[*live_routes(outlet), Route("/publish", publish)])
    async with serving(app, listen_unix(path)):
        await asyncio.Event().wait()


def _change(number: int, user: str | None) -> Change:
    trace_id = f"{number:032x}"
    filling = secrets.token_hex(ROW_BYTES // 2)
    row = json.dumps({"id": trace_id, "name": filling, "at": time.monotonic()})
    body = row.replace('"at": ', '"at":').encode()
    return Change(trace_id, "default", number, body, user, None if user is None else body)


async def gate(path: Path, port: int) -> None:
    """The gateway; the cookie says who somebody is: a viewer, or an end user by name."""
    async with (
        LiveClient(path) as client,
        Hub(client.feed, client.since, backlog_max=256, chance=lambda: 1.0) as hub,
    ):
        live = Live(_who, OpenCalls(), hub, Seats(each=10_000))

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            headers = tuple(scope["headers"])
            query = scope["query_string"].decode()
            call = Call("GET", "", ("live",), False, query, headers, "", receive, send, scope)
            await live.answer(call, Match(Endpoint.APP, None, ()))

        config = uvicorn.Config(
            app,
            port=port,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=8192,
            ws_per_message_deflate=False,
            access_log=False,
            log_level="warning",
        )
        await uvicorn.Server(config).serve()


async def _who(call: Call, slug: Slug | None) -> Principal:
    user = (call.header(b"cookie") or "").partition("user=")[2]
    role = Role.END_USER if user else Role.VIEWER
    subject = user or "vera"
    return Principal(TENANT, subject, role, Proof.HOST, subject, 4e9, user_id=user)


@dataclass
class Arrivals:
    """How long changes took, in milliseconds; `complete` is set with the last that is expected."""

    took_ms: list[float] = field(default_factory=list)
    expected: int = 0
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, chunk: bytes) -> None:
        now = time.monotonic()
        self.took_ms += [(now - float(at)) * 1000 for at in SENT_AT.findall(chunk)]
        if len(self.took_ms) >= self.expected:
            self.complete.set()

    def percentile(self, part: float) -> float:
        ordered = sorted(self.took_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


async def watch(port: int, kind: str, user: str, arrivals: Arrivals, ready: asyncio.Event) -> None:
    """One connection, for as long as it is not cancelled. Frames of a server are not masked, so
    both transports are read alike."""
    lines = ["GET /live HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"Cookie: user={user}"] if user else []
    if kind == "events":
        lines.append("Accept: text/event-stream")
    else:
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        lines += [
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol: roost.live",
        ]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        got = b""
        while b'"hello"' not in got:
            got += await reader.read(65_536)
        ready.set()
        rest = b""
        while chunk := await reader.read(262_144):
            whole, _, rest = (rest + chunk).rpartition(b"}")
            arrivals.note(whole + b"}")
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def watchers(
    port: int, kinds: list[tuple[str, str]], arrivals: Arrivals
) -> AsyncIterator[None]:
    """So many, each of a kind and a user, all of them greeted."""
    tasks, readies = [], []
    for kind, user in kinds:
        ready = asyncio.Event()
        tasks.append(asyncio.create_task(watch(port, kind, user, arrivals, ready)))
        readies.append(ready)
        if len(tasks) % 50 == 0:
            await asyncio.wait_for(ready.wait(), ANSWER_TIMEOUT_S)
    for ready in readies:
        await asyncio.wait_for(ready.wait(), ANSWER_TIMEOUT_S)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def _cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@dataclass
class Bench:
    path: Path
    port: int
    keeper: int
    gateway: int
    idle_mb: float
    missed: list[str] = field(default_factory=list)

    def added(self) -> float:
        """In MB, since nobody watched: what was freed but not given back counts too."""
        return rss_mb(self.keeper) + rss_mb(self.gateway) - self.idle_mb

    async def cost(self, name: str, kinds: list[tuple[str, str]], limit_mb: float) -> None:
        """What these watchers add to keeper and gateway, idle."""
        async with watchers(self.port, kinds, Arrivals()):
            await asyncio.sleep(1.0)
            added = self.added()
            print(f"{name:<44}{added:8.1f} MB{added * 1024 / len(kinds):8.1f} KB each")
        if added > limit_mb:
            self.missed.append(f"{name}: {added:.0f} MB, more than {limit_mb:.0f}")
        await asyncio.sleep(1.0)

    async def latency(self, count: int, per_s: float, kinds: list[tuple[str, str]]) -> None:
        arrivals = Arrivals(expected=count * len(kinds))
        async with watchers(self.port, kinds, arrivals):
            cpu, began = _cpu_s(self.gateway), time.monotonic()
            await self._publish(count, per_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(arrivals.complete.wait(), LAST_ARRIVAL_S)
            spent = (_cpu_s(self.gateway) - cpu) / (time.monotonic() - began)
        p50, p95, p99 = (arrivals.percentile(part) for part in (0.5, 0.95, 0.99))
        lost = arrivals.expected - len(arrivals.took_ms)
        print(
            f"{per_s:4.0f} changes/s to {len(kinds)} watchers: p50 {p50:6.1f}  p95 {p95:6.1f}"
            f"  p99 {p99:6.1f} ms; {lost} lost; gateway at {spent:.0%} of a core"
        )
        if p95 > P95_MS:
            self.missed.append(f"{per_s:.0f} changes/s: p95 {p95:.0f} ms, more than {P95_MS:.0f}")
        if lost:
            self.missed.append(f"{per_s:.0f} changes/s: {lost} changes did not arrive")

    async def _publish(self, count: int, per_s: float) -> None:
        connector = aiohttp.UnixConnector(path=str(self.path))
        url = f"http://keeper/publish?count={count}&every_s={1 / per_s}"
        async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as said:
            said.raise_for_status()


async def measure(bench: Bench, count: int) -> list[str]:
    half = [("events", ""), ("socket", "")]
    streams = [("events", "")] * 500
    thousand = half * 500
    each = [(kind, f"user-{number}") for number, (kind, _) in enumerate(thousand)]
    print(f"keeper and gateway before: {bench.idle_mb:.0f} MB\n")
    await bench.cost("500 idle event streams", streams, TARGETS["500 idle event streams"])
    await bench.cost("1,000 watchers (half sockets)", thousand, TARGETS["1,000 watchers"])
    await bench.cost("1,000 end users, a topic each", each, TARGETS["1,000 watchers"])
    print()
    for per_s in (2.0, 10.0):
        await bench.latency(round(count * per_s / 10), per_s, thousand)
    await bench.cost("1,000 watchers, after all that", thousand, TARGETS["1,000 watchers"])
    return bench.missed


@contextlib.contextmanager
def process(*arguments: str) -> Iterator[int]:
    running = subprocess.Popen([sys.executable, __file__, *arguments])
    try:
        yield running.pid
    finally:
        running.terminate()
        running.wait(10)


def _await(ask: socket.socket, address: object) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while ask.connect_ex(address):  # type: ignore[arg-type]
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing listens at {address}")
        time.sleep(0.1)
    ask.close()


def compare(count: int) -> int:
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        path = Path(folder) / "keeper.sock"
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        with process("keeper", str(path)) as keeper:
            _await(socket.socket(socket.AF_UNIX), str(path))
            with process("gateway", str(path), str(port)) as gateway:
                _await(socket.socket(), ("127.0.0.1", port))
                idle_mb = rss_mb(keeper) + rss_mb(gateway)
                bench = Bench(path, port, keeper, gateway, idle_mb)
                missed = asyncio.run(measure(bench, count))
    print("\n".join(["\nmissed:", *missed]) if missed else "\nall targets reached")
    return 1 if missed else 0


def main() -> int:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", nargs="?", default="compare")
    parser.add_argument("where", nargs="*")
    parser.add_argument("--count", type=int, default=200, help="changes of the quicker round")
    options = parser.parse_args()
    match options.kind, options.where:
        case "keeper", [path]:
            asyncio.run(keep(Path(path)))
        case "gateway", [path, port]:
            asyncio.run(gate(Path(path), int(port)))
        case _:
            return compare(options.count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
