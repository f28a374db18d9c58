"""Roost's own API on real sockets: two homes with real logs and indexes, a keeper's Unix socket, a
gateway under uvicorn, people.

Ann and Bob are end users of acme, Vera is a viewer there, Mia a member, Ada an admin; Gus is a
viewer of globex. The bearer token is the name; `sender` only sends spans.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time

import httpx
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.applications import Starlette
from tests.http.api.spans import batch
from tests.http.live_world import gateway
from tests.ingest.cell_of_faults import CellOfFaults

from roost.errors import BadRequest, NotFound, NotSignedIn
from roost.homes import HomeOpener, HomeTerms
from roost.http.api.endpoint import Api
from roost.http.api.route import api_routes
from roost.http.api.turns import Turns
from roost.http.api_desk import ApiDesk, SpansOfCell
from roost.http.api_messages import Field
from roost.http.call import Call, Receive, Scope, Send
from roost.http.home import Home
from roost.http.homes import Homes
from roost.http.keeper_client import KeeperClient
from roost.http.open_calls import OpenCalls
from roost.http.principal import principal_in
from roost.http.problems import Problems
from roost.http.routes import Endpoint, Match
from roost.http.serving import listen_unix
from roost.http.serving import serving as serving_unix
from roost.index.rows import Applied
from roost.ingest.forward import Pace
from roost.log.base import Kind
from roost.log.records import Annotation, encoded
from roost.model import Identity, IngestGrant, Principal, Proof, Role, Slug, Tenant, TenantId
from roost.policy.forwarding import ForwardPolicy
from roost.policy.paths import canonical_query, parse_path

BASE = "/api/phoenix"
ACME = Tenant(TenantId("t-acme"), Slug("acme"), "Acme")
GLOBEX = Tenant(TenantId("t-globex"), Slug("globex"), "Globex")
TENANTS = {ACME.slug: ACME, GLOBEX.slug: GLOBEX}
NOW = 1_790_000_000.0
PACE = Pace(poll_s=0.01, busy_s=0.01)


def person(name: str, slug: Slug, role: Role, user_id: str = "") -> Identity:
    return Identity(
        name, Proof.HOST, f"p-{name}", 4e9, name=name, user_id=user_id or name, roles={slug: role}
    )


def people() -> dict[str, Identity]:
    sender = Identity("k1", Proof.KEY, "k1", 4e9, ingest=IngestGrant(), tenant_id=ACME.id)
    return {
        "ann": person("ann", ACME.slug, Role.END_USER),
        "bob": person("bob", ACME.slug, Role.END_USER),
        "nobody": Identity("n", Proof.HOST, "p-n", 4e9, roles={ACME.slug: Role.END_USER}),
        "vera": person("vera", ACME.slug, Role.VIEWER),
        "mia": person("mia", ACME.slug, Role.MEMBER),
        "ada": person("ada", ACME.slug, Role.ADMIN),
        "gus": person("gus", GLOBEX.slug, Role.VIEWER),
        "sender": sender,
    }


@dataclass
class World:
    """`cells` are the tenants' Phoenixes; `in_cell` what they hold by span id; `opened` what acme
    shows its end users."""

    homes: Homes
    cells: Mapping[TenantId, CellOfFaults]
    policies: dict[str, ForwardPolicy]
    people: dict[str, Identity] = field(default_factory=people)
    opened: set[Field] = field(default_factory=set)
    in_cell: dict[str, Span] = field(default_factory=dict)
    asked_of_cell: list[Sequence[str]] = field(default_factory=list)
    cell: SpansOfCell | None = None
    """Stands for `in_cell`."""
    calls: OpenCalls = field(default_factory=OpenCalls)
    raised: list[BaseException] = field(default_factory=list)
    url: str = ""

    async def home(self, tenant: Tenant = ACME) -> Home:
        return await self.homes.of(tenant)

    async def take(self, *spans: Span, tenant: Tenant = ACME, project: str = "default") -> None:
        """Into the log, and seen by the index."""
        home = await self.home(tenant)
        position = await home.append(Kind.SPANS, [batch(spans, project)])
        await home.index.reached(position)

    async def annotate(self, *annotations: Annotation, tenant: Tenant = ACME) -> None:
        home = await self.home(tenant)
        position = await home.append(Kind.ANNOTATIONS, [encoded(annotations)])
        await home.index.reached(position)

    async def settle(self, tenant: Tenant = ACME) -> None:
        """Until all is in Phoenix."""
        assert await (await self.home(tenant)).drained()

    async def get(
        self, who: str, path: str, *, headers: Mapping[str, str] | None = None, **query: str
    ) -> httpx.Response:
        return await self.ask("GET", who, path, headers=headers, query=query)

    async def ask(
        self,
        method: str,
        who: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | str = "",
        body: object = None,
    ) -> httpx.Response:
        """At `api/<path>`, or with a slash in front at that path below the base."""
        url = f"{self.url}{BASE}" + (path if path.startswith("/") else f"/api/{path}")
        given = query if isinstance(query, str) else str(httpx.QueryParams(query))
        async with httpx.AsyncClient(timeout=20.0) as client:
            return await client.request(
                method,
                f"{url}?{given}" if given else url,
                headers={"authorization": f"Bearer {who}", **(headers or {})},
                json=body,
            )

    async def spans_of_cell(
        self, tenant: Tenant, project: str, trace_id: str, span_ids: Sequence[str]
    ) -> list[Span]:
        self.asked_of_cell.append(span_ids)
        if self.cell is not None:
            return list(await self.cell(tenant, project, trace_id, span_ids))
        return [self.in_cell[one] for one in span_ids if one in self.in_cell]

    async def home_of(self, tenant_id: str) -> Home:
        found = next((one for one in TENANTS.values() if one.id == tenant_id), None)
        if found is None:
            raise NotFound("That tenant is gone.")
        return await self.homes.of(found)

    async def principal_of(self, call: Call, slug: Slug | None) -> Principal:
        name = (call.header(b"authorization") or "").removeprefix("Bearer ")
        if name not in self.people:
            raise NotSignedIn
        return principal_in(self.people[name], slug, TENANTS)


@asynccontextmanager
async def world(
    folder: Path, policies: Mapping[str, ForwardPolicy] | None = None
) -> AsyncIterator[World]:
    cells = {one.id: CellOfFaults() for one in TENANTS.values()}
    async with AsyncExitStack() as stack:
        opener = HomeOpener(
            folder / "homes",
            HomeTerms(policies=policies or {}, pace=PACE),
            lambda tenant: cells[tenant.id].connect(),
            _unheard,
            time,
        )
        homes = await stack.enter_async_context(Homes(opener.open, time).running([]))
        at = World(homes, cells, dict(policies or {}))
        threads = stack.enter_context(ThreadPoolExecutor(4, "roost-api"))
        desk = ApiDesk(at.home_of, at.policies, at.spans_of_cell, Turns(threads))
        socket = folder / "k.sock"
        app = Starlette(routes=api_routes(desk))
        await stack.enter_async_context(serving_unix(app, listen_unix(socket)))
        keeper = await stack.enter_async_context(KeeperClient(socket))
        api = Api(
            at.principal_of,
            keeper.streamed,
            lambda slug: frozenset(at.opened),
            at.calls,
            lambda: NOW,
        )
        at.url = await stack.enter_async_context(gateway(_app(at, api), 0))
        yield at


async def _unheard(home: Home, applied: Applied) -> None:
    """Nobody watches."""


def _app(at: World, api: Api) -> Problems:
    """What dispatch does for the API: path, query, row."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = parse_path(scope["raw_path"].removeprefix(BASE.encode()))
        query = canonical_query(scope["query_string"])
        if path is None or query is None:
            raise BadRequest
        segments = path.segments
        slug, rest = (None, segments)
        if segments[0] == "t":
            slug, rest = Slug(segments[1]), segments[2:]
        headers = tuple(scope["headers"])
        call = Call(
            scope["method"],
            BASE,
            segments,
            path.trailing_slash,
            query,
            headers,
            "",
            receive,
            send,
            scope,
        )
        try:
            await api.answer(call, Match(Endpoint.APP, slug, rest))
        except Exception as error:
            at.raised.append(error)
            raise

    return Problems(app)
