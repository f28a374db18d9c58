"""A judged call on its way: gate, route, upstream, and once more where a route was stale.

Rule: the decision comes first; a call that is refused wakes no cell.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from roost.errors import NotSignedIn, Unavailable
from roost.http import gate, pages
from roost.http import messages as m
from roost.http.call import Call
from roost.http.cell_routes import CellRoutes
from roost.http.open_calls import OpenCalls
from roost.http.principal import PrincipalOf
from roost.model import CellRoute, Principal, Role, TenantId
from roost.policy.decision import Allow, Decision, Treatment
from roost.proxy.admitted import Admitted
from roost.proxy.upstream import RouteStale, Upstream, again

HEAVY_WAIT_S = 30.0


@asynccontextmanager
async def nothing(call: Call, principal: Principal) -> AsyncIterator[Call]:
    """Most calls have no effect beside themselves."""
    yield call


Effect = Callable[[Call, Principal], AbstractAsyncContextManager[Call]]
"""What goes with a call that the gate has let through; the call that it gives is passed on."""


class StillWaking(Unavailable):
    """The cell was not up within the wait; `waking` says what it is doing."""

    def __init__(self, waking: m.Waking) -> None:
        super().__init__("This tenant's Phoenix is still starting; try again.", reason=waking.phase)
        self.waking = waking


@dataclass(slots=True)
class Forwarder:
    """`wait_s` is how long an API call waits for a sleeping cell; `heavy_max` how many costly
    queries of one tenant run at a time."""

    principal_of: PrincipalOf
    open_calls: OpenCalls
    routes: CellRoutes
    upstream: Upstream
    wait_s: float
    heavy_max: int
    after: Callable[[Principal], Awaitable[None]]
    """Told of calls behind which traces or annotations come or go."""
    _heavy: dict[TenantId, asyncio.Semaphore] = field(default_factory=dict)

    async def send(
        self,
        call: Call,
        principal: Principal,
        decision: Decision,
        forward: gate.Forward,
        effect: Effect = nothing,
    ) -> None:
        """Judge, forward, answer; `effect` begins once it is judged. A page of a sleeping cell is
        answered by one that shows its progress; anything else waits."""
        is_page = isinstance(decision, Allow) and decision.treatment is Treatment.PAGE
        wait_s = 0.0 if is_page and call.wants_page else self.wait_s

        async def route() -> CellRoute:
            return _awake(await self.routes.to(principal, wait_s))

        try:
            admitted = await gate.admit(decision, principal, forward, route)
        except StillWaking as still:
            if not (is_page and call.wants_page):
                raise
            await _show_progress(call, principal, still.waking)
            return
        async with (
            self._slot(admitted),
            self.open_calls.watched(principal, partial(self._check_again, call, principal)),
            effect(call, principal) as passed,
        ):
            await self._pass_on(passed, admitted)
        if admitted.allow.reconcile:
            await self.after(principal)

    async def _check_again(self, call: Call, principal: Principal) -> None:
        """The proof still names the same person in the same role."""
        now = await self.principal_of(call, principal.tenant.slug)
        if _who(now) != _who(principal):
            raise NotSignedIn(reason="no longer the same person, tenant or role")

    async def _pass_on(self, call: Call, admitted: Admitted) -> None:
        try:
            await self.upstream.send(admitted, call.receive, call.send)
        except RouteStale as stale:
            principal = admitted.principal
            fresh = _awake(await self.routes.renew(principal, admitted.route, self.wait_s))
            if not stale.may_repeat:
                raise
            admitted = again(replace(admitted, route=fresh), stale.body)
            await self.upstream.send(admitted, call.receive, call.send)

    @asynccontextmanager
    async def _slot(self, admitted: Admitted) -> AsyncIterator[None]:
        """One of the tenant's few places for costly queries, where this is one."""
        if not admitted.allow.heavy:
            yield
            return
        tenant_id = admitted.principal.tenant.id
        slots = self._heavy.setdefault(tenant_id, asyncio.Semaphore(self.heavy_max))
        try:
            async with asyncio.timeout(HEAVY_WAIT_S):
                await slots.acquire()
        except TimeoutError:
            raise Unavailable(
                "This tenant's Phoenix is busy with large queries; try again.",
                reason="no slot for a heavy query",
            ) from None
        try:
            yield
        finally:
            slots.release()


def _who(principal: Principal) -> tuple[TenantId, str, Role | None]:
    return principal.tenant.id, principal.subject, principal.role


def _awake(route: CellRoute | m.Waking) -> CellRoute:
    if isinstance(route, m.Waking):
        raise StillWaking(route)
    return route


async def _show_progress(call: Call, principal: Principal, waking: m.Waking) -> None:
    page = pages.waking(principal.tenant.slug, waking.phase, waking.seconds)
    await pages.show(call, page, 202, ("'self'",))
