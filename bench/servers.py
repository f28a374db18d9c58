"""What `bench/proxy.py` measures, each in a process of its own: `servers.py KIND PORT [ORIGIN]`.

Rule: `roost` is the gateway's own path (guard, identity, route table, gate, upstream); only its
keeper is a stub, which a warm gateway does not ask.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import uvicorn

from roost.http import messages as m
from roost.http.call import Call, Receive, Scope, Send
from roost.http.cell_routes import CellRoutes
from roost.http.dispatch import Dispatch
from roost.http.effects import Effects
from roost.http.forward import Forwarder
from roost.http.guard import Guard
from roost.http.identify import Proofs
from roost.http.open_calls import OpenCalls
from roost.http.phoenix import Phoenix
from roost.http.principal import principal_in
from roost.http.problems import App, Problems
from roost.http.rate import Rate
from roost.http.routes import Endpoint
from roost.http.watch import Watch
from roost.identity.cache import IdentityCache
from roost.identity.mapping import IdentityMapping
from roost.model import Principal, Slug, Tenant, TenantId
from roost.proxy.pools import PoolLimits, Pools
from roost.proxy.upstream import Look, Upstream

BASE = "/api/phoenix"
BLOCK = b"x" * 65_536
JSON = (b"content-type", b"application/json")


def origin() -> App:
    """Answers as many bytes as the last segment of the path says."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        size = int(scope["path"].rpartition("/")[2])
        headers = [JSON, (b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while size > len(BLOCK):
            await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
            size -= len(BLOCK)
        await send({"type": "http.response.body", "body": BLOCK[:size]})

    return app


def passthrough(address: str) -> App:
    """The least that passes an answer on with the same parts: no identity, no rule, no care."""
    sessions: list[aiohttp.ClientSession] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not sessions:
            sessions.append(aiohttp.ClientSession(auto_decompress=False))
        path = scope["path"].removeprefix(BASE)
        async with sessions[0].request(scope["method"], address + path) as answer:
            headers = [(name.lower(), value) for name, value in answer.raw_headers]
            start = {"type": "http.response.start", "status": answer.status, "headers": headers}
            await send(start)
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    return app


def roost(address: str) -> App:
    tenant = Tenant(TenantId("t-acme"), Slug("acme"), "Acme")
    watch = Watch(_no_events, print, print, print)
    watch._take(m.Snapshot(BASE, True, [m.TenantRow(tenant.id, tenant.slug, tenant.name)], []))

    async def prove_key(proof: m.KeyProof) -> m.ProvedKey:
        return m.ProvedKey(tenant.id, tenant.slug, "bench", ["read"], None, None)

    async def route(person: m.Person) -> m.Route:
        return m.Route(address, "instance-1", "a-token", time.time() + 3600)

    async def unasked(_: object) -> m.ProvedSession:
        raise NotImplementedError

    proofs = Proofs(
        IdentityCache(time.time, 60),
        IdentityMapping(),
        time.time,
        prove_key,
        unasked,
        unasked,
        Rate(10_000_000).check,
    )

    async def principal_of(call: Call, slug: Slug | None) -> Principal:
        return principal_in(await proofs.identify(call), slug, watch.tenants)

    async def unheard(principal: Principal) -> None:
        raise NotImplementedError

    async def no_sign_out(call: Call) -> None:
        raise NotImplementedError

    upstream = Upstream(Pools(PoolLimits()), Look())
    routes = CellRoutes(route, time.time)
    forwarder = Forwarder(
        principal_of, OpenCalls(), routes, upstream, wait_s=10.0, heavy_max=2, after=unheard
    )
    phoenix = Phoenix(
        principal_of, forwarder, cast("Effects", None), no_sign_out
    )  # reads have none
    return Problems(
        Dispatch(
            base_path=BASE,
            guard=Guard(frozenset(), loopback=True),
            watch=watch,
            enabled=True,
            endpoints={Endpoint.REST: phoenix.rest},
            max_body_bytes=64 * 1024 * 1024,
        )
    )


async def _no_events() -> AsyncIterator[m.Event]:
    await asyncio.Event().wait()
    yield m.Heartbeat()


def main() -> None:
    kind, port, *rest = sys.argv[1:]
    app = origin() if kind == "origin" else {"bare": passthrough, "roost": roost}[kind](rest[0])
    uvicorn.run(
        app,
        port=int(port),
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
