"""Real sockets for the proxy's tests: a cell that a test writes, and Roost's way to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import aiohttp
import uvicorn

from roost.http.call import Message, Receive, Scope, Send
from roost.http.problems import App, Problems
from roost.model import CellRoute, Principal, Proof, Role, Slug, Tenant, TenantId
from roost.policy.decision import Allow, Treatment
from roost.proxy.admitted import Admitted
from roost.proxy.pools import PoolLimits, Pools
from roost.proxy.upstream import Look, Upstream

DEADLINE_S = 10.0

ANN = Principal(
    tenant=Tenant(TenantId("t-acme"), Slug("acme"), "Acme"),
    subject="ann",
    role=Role.MEMBER,
    proof=Proof.KEY,
    proof_id="key-1",
    valid_until=4e9,
)
TOKEN = "ann-in-acme"
MOUNT = "/api/phoenix/ui/acme"


def a_pass(scope: Scope, route: CellRoute, treatment: Treatment) -> Admitted:
    """The pass for a call whose whole path is the cell's own."""
    return Admitted(
        principal=ANN,
        allow=Allow(treatment, Role.VIEWER),
        route=route,
        method=scope["method"],
        path=scope["raw_path"].decode(),
        query=scope["query_string"].decode(),
        headers=tuple(scope["headers"]),
        mount=MOUNT,
        root=MOUNT,
    )


@asynccontextmanager
async def serving(app: App, port: int = 0) -> AsyncIterator[str]:
    """uvicorn on a free port of loopback, in this loop; its URL."""
    config = uvicorn.Config(
        app,
        port=port,
        lifespan="off",
        log_level="critical",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        await until(lambda: server.started)
        bound = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{bound}"
        finally:
            server.should_exit = True


@dataclass(slots=True)
class Roost:
    """The proxy under test: `url` leads to the cell with `treatment`; what it raised before an
    answer stands in `raised`, what came after in `broke`."""

    url: str
    upstream: Upstream
    route: CellRoute
    raised: list[Exception] = field(default_factory=list)
    broke: list[Exception] = field(default_factory=list)


@asynccontextmanager
async def roost(
    address: str,
    treatment: Treatment = Treatment.PRIVATE,
    *,
    look: Look | None = None,
    silence_s: float = DEADLINE_S,
    limits: PoolLimits | None = None,
    change: Callable[[Admitted], Admitted] = lambda admitted: admitted,
    treat: Callable[[Scope], Treatment] | None = None,
    wrap: Callable[[Scope, Receive], Receive] = lambda _, receive: receive,
) -> AsyncIterator[Roost]:
    route = CellRoute(address, "instance-1", TOKEN, 4e9)
    upstream = Upstream(Pools(limits or PoolLimits()), look or Look(), silence_s)
    made = Roost("", upstream, route)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        how = treat(scope) if treat else treatment
        admitted = change(a_pass(scope, route, how))
        try:
            await upstream.send(admitted, wrap(scope, receive), send)
        except ConnectionError as error:
            made.broke.append(error)
            raise
        except Exception as error:
            made.raised.append(error)
            raise

    async with serving(Problems(app)) as url:
        made.url = url
        try:
            yield made
        finally:
            await upstream.close()


@asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        auto_decompress=False, timeout=aiohttp.ClientTimeout(total=DEADLINE_S)
    ) as session:
        yield session


@asynccontextmanager
async def between(
    cell: App, treatment: Treatment = Treatment.PRIVATE, **how: object
) -> AsyncIterator[tuple[Roost, aiohttp.ClientSession]]:
    """A cell, Roost before it, and somebody who calls."""
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(cell))
        proxy = await stack.enter_async_context(roost(address, treatment, **how))  # type: ignore[arg-type]
        yield proxy, await stack.enter_async_context(client())


def answering(
    body: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
    status: int = 200,
    seen: list[Scope] | None = None,
) -> App:
    """A cell that gives one answer and keeps the scopes that it saw."""
    shown = {"content-type": "application/json", **(headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in shown.items()]

    async def cell(scope: Scope, receive: Receive, send: Send) -> None:
        if seen is not None:
            seen.append(scope)
        await whole_body(receive)
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    return cell


async def whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message: Message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def until(done: Callable[[], bool]) -> None:
    """Poll until it holds; TimeoutError after the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not done():  # noqa: ASYNC110 (what is polled has no event)
            await asyncio.sleep(0.01)


class _Server(uvicorn.Server):
    """One whose process has other things to do with signals: run tests."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
