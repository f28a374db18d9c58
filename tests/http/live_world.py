"""Roost's live view on real sockets: a keeper's Unix socket, a gateway under uvicorn, people.

Ann and Bob are end users of acme, Vera is a viewer there and Gus in globex; cookies name them, as a
host's `identify=` does. `key` is a read key of acme.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from random import random
from time import time
from urllib.parse import urlsplit

import aiohttp
import uvicorn
from starlette.applications import Starlette
from tests.live.home import ACME, GLOBEX, Home, Homes
from tests.proxy.loopback import until

from roost.errors import NotFound, NotSignedIn, Unavailable
from roost.http import messages as m
from roost.http.call import Call, Receive, Scope, Send
from roost.http.guard import Guard
from roost.http.identify import Proofs
from roost.http.live import Live, Patience
from roost.http.live_client import LiveClient
from roost.http.live_feed import live_routes
from roost.http.live_seats import Seats
from roost.http.open_calls import OpenCalls
from roost.http.principal import principal_in
from roost.http.problems import Problems
from roost.http.rate import Rate
from roost.http.routes import Endpoint, Match
from roost.http.serving import QuietServer, listen_unix
from roost.http.serving import serving as serving_unix
from roost.identity.api_key import MintedKey, mint
from roost.identity.cache import IdentityCache
from roost.identity.host_user import HostUser
from roost.identity.mapping import IdentityMapping
from roost.live.channel import Pulse
from roost.live.hub import Hub
from roost.live.outlet import Outlet
from roost.model import Principal, Slug, Tenant, as_slug
from roost.policy.paths import canonical_query

BASE = "/api/phoenix"
LIVE_JS = files("roost") / "static" / "live.js"
DEADLINE_S = 10.0
TENANTS = {
    Slug("acme"): Tenant(ACME, Slug("acme"), "Acme"),
    Slug("globex"): Tenant(GLOBEX, Slug("globex"), "Globex"),
}


def people() -> dict[str, HostUser]:
    return {
        "ann": HostUser("ann", "acme", "end_user"),
        "bob": HostUser("bob", "acme", "end_user"),
        "vera": HostUser("vera", "acme", "viewer"),
        "gus": HostUser("gus", "globex", "viewer"),
    }


@dataclass
class World:
    homes: Homes
    socket: Path
    outlet: Outlet
    calls: OpenCalls
    seats: Seats
    pulse: Pulse
    patience: Patience
    backlog_max: int
    key: MintedKey
    scopes: list[str] = field(default_factory=lambda: ["read"])
    people: dict[str, HostUser] = field(default_factory=people)
    url: str = ""
    raised: list[BaseException] = field(default_factory=list)
    """What the app raised: a server would have logged it as a fault."""
    _gateway: AsyncExitStack = field(default_factory=AsyncExitStack)
    _keeper: AsyncExitStack = field(default_factory=AsyncExitStack)
    keeper_is_up: bool = False
    takes_upgrades: bool = True

    @property
    def acme(self) -> Home:
        return self.homes.homes[ACME]

    @property
    def globex(self) -> Home:
        return self.homes.homes[GLOBEX]

    @property
    def live(self) -> str:
        return f"{self.url}{BASE}/t/acme/live"

    async def start_gateway(self) -> None:
        """With a hub of its own; at the same address as the last one."""
        client = await self._gateway.enter_async_context(LiveClient(self.socket))
        hub = await self._gateway.enter_async_context(
            Hub(
                client.feed,
                client.since,
                backlog_max=self.backlog_max,
                chance=random,
                pulse=self.pulse,
            )
        )
        live = Live(_principal_of(self.proofs()), self.calls, hub, self.seats, self.patience)
        port = urlsplit(self.url).port or 0
        self.url = await self._gateway.enter_async_context(gateway(_app(self, live), port))

    async def stop_gateway(self) -> None:
        await self._gateway.aclose()
        self._gateway = AsyncExitStack()

    async def start_keeper(self) -> None:
        self.outlet = self.homes.outlet(heartbeat_s=5.0)
        app = Starlette(routes=live_routes(self.outlet))
        await self._keeper.enter_async_context(serving_unix(app, listen_unix(self.socket)))
        self.keeper_is_up = True

    async def stop_keeper(self) -> None:
        self.keeper_is_up = False
        self.outlet.close()
        await self._keeper.aclose()
        self._keeper = AsyncExitStack()

    def proofs(self) -> Proofs:
        async def prove_key(proof: m.KeyProof) -> m.ProvedKey:
            if not self.keeper_is_up:
                raise Unavailable(reason="no keeper")
            if proof.secret_hash != self.key.secret_hash:
                raise NotSignedIn(reason="wrong key")
            return m.ProvedKey(ACME, "acme", "key", self.scopes, None, None)

        async def unasked(_: object) -> m.ProvedSession:
            raise NotSignedIn

        return Proofs(
            IdentityCache(time, 0.0),
            IdentityMapping(),
            time,
            prove_key,
            unasked,
            unasked,
            Rate(100_000).check,
            host=lambda scope: self.people.get(_cookie(scope)),
        )


@asynccontextmanager
async def world(
    folder: Path,
    *,
    pulse: Pulse | None = None,
    recheck_s: float = 30.0,
    patience: Patience | None = None,
    backlog_max: int = 256,
    seats: Seats | None = None,
) -> AsyncIterator[World]:
    homes = Homes()
    calls = OpenCalls(recheck_s=recheck_s)
    at = World(
        homes,
        folder / "k.sock",
        homes.outlet(),
        calls,
        seats or Seats(),
        pulse or Pulse(heartbeat_s=30.0, pace_s=0.01),
        patience or Patience(),
        backlog_max,
        mint(),
    )
    async with AsyncExitStack() as stack:
        await at.start_keeper()
        stack.push_async_callback(at.stop_keeper)
        stack.push_async_callback(at.stop_gateway)
        await at.start_gateway()
        yield at


@asynccontextmanager
async def gateway(app: Problems, port: int) -> AsyncIterator[str]:
    """As `roost gateway` serves it."""
    config = uvicorn.Config(
        app,
        port=port,
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=8192,
        ws_per_message_deflate=False,
        log_level="critical",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = QuietServer(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        await until(lambda: server.started)
        bound = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{bound}"
        finally:
            server.should_exit = True


def _principal_of(proofs: Proofs):  # type: ignore[no-untyped-def]
    async def principal_of(call: Call, slug: Slug | None) -> Principal:
        return principal_in(await proofs.identify(call), slug, TENANTS)

    return principal_of


def _app(at: World, live: Live) -> Problems:
    """What dispatch does for `/live`: guard, path, row."""
    pages = {"/page": b"<!DOCTYPE html><title>host</title>", "/live.js": LIVE_JS.read_bytes()}
    guard = Guard(frozenset(), frozenset({"https://partner.example"}), loopback=True)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in pages:
            await _show(pages[scope["path"]], send)
            return
        guard.check(scope)
        if scope["type"] == "websocket" and not at.takes_upgrades:
            raise NotFound
        segments = tuple(filter(None, scope["path"].removeprefix(BASE).split("/")))
        slug = as_slug(segments[1]) if segments[0] == "t" else None
        if segments[-1] != "live":
            raise NotFound
        call = Call(
            method=scope.get("method", "GET"),
            base=BASE,
            segments=segments,
            trailing_slash=False,
            query=canonical_query(scope["query_string"]) or "",
            headers=tuple(scope["headers"]),
            peer="127.0.0.1",
            receive=receive,
            send=send,
            scope=scope,
        )
        try:
            await live.answer(call, Match(Endpoint.APP, slug, ()))
        except Exception as error:
            at.raised.append(error)
            raise

    return Problems(app)


async def _show(body: bytes, send: Send) -> None:
    kind = b"text/html" if body.startswith(b"<") else b"text/javascript"
    headers = [(b"content-type", kind), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _cookie(scope: Scope) -> str:
    cookie = dict(scope["headers"]).get(b"cookie", b"").decode()
    return str(cookie.partition("user=")[2])


@asynccontextmanager
async def session(user: str = "", key: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody with a cookie, or a key."""
    headers = {"Cookie": f"user={user}"} if user else {}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    timeout = aiohttp.ClientTimeout(total=None, sock_read=DEADLINE_S)
    async with aiohttp.ClientSession(
        headers=headers, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as one:
        yield one


@dataclass
class Said:
    """One event of a stream, or one message of a socket."""

    kind: str
    id: str
    data: dict[str, object]


@dataclass
class Events:
    """An event stream that is read as it comes."""

    answer: aiohttp.ClientResponse

    async def next(self) -> Said | None:
        """The next event; None at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(DEADLINE_S):
            while line := (await self.answer.content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    said = Said(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
                    assert said.data["type"] == said.kind
                    assert said.data.get("id", "") == said.id
                    return said
                else:
                    fields = {}
        return None


@asynccontextmanager
async def events(
    at: World, user: str = "", *, last_id: str = "", key: str = "", query: str = "", url: str = ""
) -> AsyncIterator[Events]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
    async with (
        session(user, key) as one,
        one.get((url or at.live) + query, headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        yield Events(answer)


@dataclass
class Socket:
    ws: aiohttp.ClientWebSocketResponse

    async def next(self) -> Said | None:
        """The next message; None once the socket is closed."""
        message = await self.ws.receive(timeout=DEADLINE_S)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        data = json.loads(message.data)
        return Said(data["type"], data.get("id", ""), data)


@asynccontextmanager
async def socket(
    at: World,
    user: str = "",
    *,
    key: str = "",
    origin: str | None = None,
    query: str = "",
    protocols: tuple[str, ...] = ("roost.live",),
) -> AsyncIterator[Socket]:
    own = at.url if user and origin is None else origin
    async with (
        session(user, key) as one,
        one.ws_connect(
            at.live.replace("http", "ws") + query,
            origin=own or None,
            protocols=protocols,
            compress=15,
        ) as ws,
    ):
        yield Socket(ws)


Watching = Events | Socket


async def expect(watching: Watching, *kinds: str) -> list[Said]:
    """The next events, of these kinds; heartbeats are left out unless asked for."""
    got: list[Said] = []
    for kind in kinds:
        said = await watching.next()
        while said is not None and said.kind == "heartbeat" != kind:
            said = await watching.next()
        assert said is not None, f"the end instead of {kind}"
        assert said.kind == kind, said
        got.append(said)
    return got
