"""The gateway: an ASGI app that knows who is calling and lets nothing else through.

It builds and never decides. It keeps no state: any number of workers may run, and a host may
mount it (`app.mount("/api/phoenix", Roost(...))`) without a lifespan of its own.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from random import random
from typing import Literal

from roost.errors import RoostError, Unavailable
from roost.http import messages as m
from roost.http.api.endpoint import Api
from roost.http.api.viewer import opened_by
from roost.http.app import App
from roost.http.background import Closing, Seldom, beside
from roost.http.call import Call, Receive, Scope, Send
from roost.http.cell_routes import CellRoutes
from roost.http.delivery import Delivery
from roost.http.dispatch import Answer, Dispatch
from roost.http.effects import Effects
from roost.http.embed import embedded
from roost.http.event_desk import EventClient
from roost.http.events import Events
from roost.http.forward import Forwarder
from roost.http.guard import Guard, allowed_hosts, is_loopback
from roost.http.identify import HostIdentify, Proofs
from roost.http.ingest import Ingest
from roost.http.keeper_client import KeeperClient
from roost.http.keeper_start import AutoKeeper
from roost.http.live import Live
from roost.http.live_client import LiveClient
from roost.http.live_seats import Seats
from roost.http.messages import socket_path
from roost.http.open_calls import OpenCalls
from roost.http.phoenix import Phoenix
from roost.http.principal import principal_in
from roost.http.problems import Problems
from roost.http.rate import Rate
from roost.http.routes import Endpoint
from roost.http.sign_in import SignIn
from roost.http.watch import Watch
from roost.identity.cache import IdentityCache
from roost.identity.mapping import IdentityMapping
from roost.identity.nextauth import NextAuth
from roost.identity.one_time_link import LinkCookie
from roost.live.hub import Hub
from roost.model import Principal, Role, Slug
from roost.proxy.pools import PoolLimits, Pools
from roost.proxy.upstream import Look, Upstream
from roost.settings import Settings, load_settings, settings_as_json
from roost.storage.lock import make_data_dir
from roost.terms import ingest_terms, workbench

REVIVE_EVERY_S = 5.0
TELL_USE_EVERY_S = 3.0

KeeperMode = Literal["auto", "running"]

log = logging.getLogger("roost.gateway")


class Roost:
    """The ASGI app. `settings` default to `roost.toml` and ROOST_*; `identify(scope)` lets the
    host name its user itself, as a HostUser or None; `keeper="auto"` starts a keeper where none
    runs, `"running"` waits for one that somebody else starts."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        identify: HostIdentify | None = None,
        keeper: KeeperMode = "auto",
    ) -> None:
        settings = settings or load_settings()
        self._settings = settings
        self._identify = identify
        self._keeper = AutoKeeper(settings.data_dir, settings_as_json(settings))
        self._starts_keeper = keeper == "auto"
        if self._starts_keeper:
            make_data_dir(settings.data_dir)
        self._problems = Problems(self._dispatch, settings.frame_ancestors)
        self._running: asyncio.Task[None] | None = None
        self._parts: asyncio.Future[Dispatch] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._problems(scope, receive, send)

    async def close(self) -> None:
        """End what the first request began. Without it, all ends with the event loop."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        dispatch = await self._started()
        await dispatch(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            if message["type"] == "lifespan.startup":
                await self._started()
                await send({"type": "lifespan.startup.complete"})
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _started(self) -> Dispatch:
        """The parts, built at the first request: a mounted app sees no lifespan."""
        if self._running is None or self._running.done() or self._parts is None:
            self._parts = asyncio.get_running_loop().create_future()
            self._running = asyncio.create_task(self._run(self._parts))
            self._running.add_done_callback(partial(_ended, self._parts))
        return await asyncio.shield(self._parts)

    async def _run(self, parts: "asyncio.Future[Dispatch]") -> None:
        async with _parts(self._settings, self._identify, self._revive) as (dispatch, watch):
            parts.set_result(dispatch)
            await watch.follow()

    def _revive(self) -> None:
        if self._starts_keeper:
            self._keeper.start()


def _ended(parts: "asyncio.Future[Dispatch]", running: "asyncio.Task[None]") -> None:
    """Nobody may wait for ever for parts that will not come; the next request tries again."""
    error = None if running.cancelled() else running.exception()
    if error is not None:
        log.error("the gateway's own work ended", exc_info=error)
    if not parts.done():
        parts.set_exception(error or Unavailable("This Roost is being closed."))


@asynccontextmanager
async def _parts(
    settings: Settings, identify: HostIdentify | None, revive: Callable[[], None]
) -> AsyncIterator[tuple[Dispatch, Watch]]:
    """Everything that one event loop needs, closed in reverse order."""
    async with AsyncExitStack() as stack:
        keeper = await stack.enter_async_context(KeeperClient(socket_path(settings.data_dir)))
        pools = Pools(PoolLimits())
        look = Look(settings.frame_ancestors, sign_out=f"{settings.base_path}/sign-out")
        upstream = Upstream(pools, look)
        stack.push_async_callback(upstream.close)
        proofs = _proofs(settings, keeper, identify)
        routes = CellRoutes(keeper.route, time.time)
        open_calls = OpenCalls()
        closing = await stack.enter_async_context(Closing())
        await stack.enter_async_context(beside(_tell_use(settings, open_calls, keeper)))

        def cell_gone(tenant_id: str, instance: str) -> None:
            routes.forget(tenant_id, instance)
            closing.soon(upstream.forget(instance))

        def revoked(proof_id: str) -> None:
            proofs.revoke(proof_id)
            for calls in (open_calls, api.open_calls, live.open_calls):
                calls.cut(proof_id)

        def lost() -> None:
            proofs.cache.drop_all()
            routes.forget_all()

        watch = Watch(keeper.watch, revoked, cell_gone, lost, Seldom(revive, REVIVE_EVERY_S))

        async def principal_of(call: Call, slug: Slug | None) -> Principal:
            return principal_in(await proofs.identify(call), slug, watch.tenants)

        api = Api(principal_of, keeper.streamed, opened_by(settings.end_user_fields))

        async def watcher_of(call: Call, slug: Slug | None) -> Principal:
            """A stream outlives the watch: nobody is believed by an old copy of it."""
            await watch.ready()
            return await principal_of(call, slug)

        live = Live(
            watcher_of,
            OpenCalls(),
            await _hub(settings, stack),
            Seats(settings.live_watchers_max),
        )
        effects = Effects(keeper)
        forwarder = Forwarder(
            principal_of,
            open_calls,
            routes,
            upstream,
            settings.cell_start_timeout_s,
            settings.cell_heavy_queries_max,
            effects.changed,
        )
        dispatch = Dispatch(
            base_path=settings.base_path,
            guard=_guard(settings),
            watch=watch,
            enabled=settings.enabled,
            endpoints={
                **_endpoints(settings, keeper, proofs, forwarder, effects, watch),
                Endpoint.API: api.answer,
                Endpoint.LIVE: live.answer,
            },
            max_body_bytes=settings.max_body_bytes,
        )
        yield dispatch, watch


async def _hub(settings: Settings, stack: AsyncExitStack) -> Hub:
    """Who watches what in this process."""
    client = await stack.enter_async_context(LiveClient(socket_path(settings.data_dir)))
    hub = Hub(client.feed, client.since, backlog_max=settings.live_backlog, chance=random)
    return await stack.enter_async_context(hub)


async def _tell_use(settings: Settings, open_calls: OpenCalls, keeper: KeeperClient) -> None:
    """Routes are kept for a minute, so the keeper does not see who uses a cell unless it is told
    sooner than a cell counts as idle."""
    while True:
        await asyncio.sleep(min(TELL_USE_EVERY_S, settings.cell_idle_after_s / 3))
        if used := open_calls.take_used():
            with suppress(RoostError):  # told again in a moment, while it matters
                await keeper.ask("cells/used", m.Done, m.CellsUsed(sorted(used)))


def _endpoints(
    settings: Settings,
    keeper: KeeperClient,
    proofs: Proofs,
    forwarder: Forwarder,
    effects: Effects,
    watch: Watch,
) -> dict[Endpoint, Answer]:
    principal_of = forwarder.principal_of
    sign_in = SignIn(
        proofs,
        lambda begin: keeper.ask("sessions/begin", m.ProvedSession, begin),
        lambda revocation: keeper.ask("proofs/revoke", m.Done, revocation),
    )
    phoenix = Phoenix(principal_of, forwarder, effects, sign_in.out)
    app = App(proofs.identify, lambda: watch.tenants, settings.frame_ancestors)
    deliver = Delivery(keeper)
    ingest = Ingest(
        principal_of,
        deliver.spans,
        deliver.known,
        deliver.project_name,
        ingest_terms(settings),
        workbench(settings),
    )
    event_client = EventClient(keeper)
    events = Events(
        principal_of, event_client.add, event_client.ask, event_client.forget, time.time
    )
    return {
        Endpoint.HEALTH: app.health,
        Endpoint.EMBED: embedded,
        Endpoint.EVENTS_IN: events.take,
        Endpoint.EVENTS: events.read,
        Endpoint.EVENTS_ERASE: events.erase,
        Endpoint.INGEST: ingest.take,
        Endpoint.NO_SIGNAL: ingest.refuse_signal,
        Endpoint.REST: phoenix.rest,
        Endpoint.GRAPHQL: phoenix.graphql,
        Endpoint.UI: phoenix.ui,
        Endpoint.APP: app.page,
        Endpoint.ME: app.me,
        Endpoint.LINK: sign_in.link,
        Endpoint.SIGN_OUT: sign_in.sign_out,
    }


def _proofs(settings: Settings, keeper: KeeperClient, identify: HostIdentify | None) -> Proofs:
    secrets = [secret.get_secret_value() for secret in settings.nextauth_secrets]
    return Proofs(
        cache=IdentityCache(time.time, settings.identity_cache_s),
        mapping=identity_mapping(settings),
        clock=time.time,
        prove_key=lambda proof: keeper.ask("prove/key", m.ProvedKey, proof),
        prove_session=lambda proof: keeper.ask("prove/session", m.ProvedSession, proof),
        see=lambda sighting: keeper.ask("sightings/note", m.Done, sighting),
        check_rate=Rate(settings.requests_per_minute).check,
        nextauth=_nextauth(settings, secrets) if secrets else None,
        link_cookie=_link_cookie(settings),
        host=identify,
    )


def identity_mapping(settings: Settings) -> IdentityMapping:
    """Which claim is what, as the settings say."""
    role = settings.role_constant
    return IdentityMapping(
        tenant_claim=settings.tenant_claim,
        tenant_constant=settings.tenant_constant,
        role_claim=settings.role_claim,
        role_constant=None if role is None else Role[role.upper()],
        roles={theirs: Role[ours.upper()] for theirs, ours in settings.role_map.items()},
        subject_claim=settings.subject_claim,
        email_claim=settings.email_claim,
        name_claim=settings.name_claim,
        user_id_claim=settings.user_id_claim,
        admins=frozenset(settings.admins),
    )


def _nextauth(settings: Settings, secrets: list[str]) -> NextAuth:
    return NextAuth(
        settings.nextauth_version,
        secrets,
        settings.nextauth_cookie,
        subject_claim=settings.subject_claim,
    )


def _link_cookie(settings: Settings) -> LinkCookie | None:
    """Cookies know no port: the name tells two installations on one machine apart."""
    if not is_loopback(settings.host):
        return None
    return LinkCookie(f"roost-{settings.port}", settings.base_path)


def _guard(settings: Settings) -> Guard:
    return Guard(
        hosts=allowed_hosts(settings.public_url, settings.allowed_hosts),
        origins=frozenset(
            # A proxy that rewrites Host leaves the Origin of an upgrade as the browser sent it.
            origin.lower()
            for origin in (*settings.allowed_origins, settings.public_url)
            if origin
        ),
        loopback=is_loopback(settings.host),
    )
