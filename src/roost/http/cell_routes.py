"""The gateway's ways to cells, asked of the keeper and kept for a minute at most.

Rule: a route is somebody's own, by tenant id, issuer, subject and role; it is dropped the moment
its cell's instance ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from roost.http import messages as m
from roost.model import CellRoute, Principal, Proof, Role

Key = tuple[str, str, str, Role | None]


@dataclass(slots=True)
class CellRoutes:
    """`ask` is the keeper's `cells/route`."""

    ask: Callable[[m.Person], Awaitable[m.Route | m.Waking]]
    clock: Callable[[], float]
    routes_max: int = 10_000
    _kept: dict[Key, CellRoute] = field(default_factory=dict)
    _turns: WeakValueDictionary[Key, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def to(self, principal: Principal, wait_s: float) -> CellRoute | m.Waking:
        """A route that holds now. Waits so long for a sleeping cell, then answers Waking."""
        key = _key(principal)
        return self._valid(key) or await self._in_turn(key, principal, wait_s, "")

    async def renew(
        self, principal: Principal, stale: CellRoute, wait_s: float
    ) -> CellRoute | m.Waking:
        """Another route than `stale`, which did not work."""
        key = _key(principal)
        if self._kept.get(key) == stale:
            del self._kept[key]
        return self._valid(key) or await self._in_turn(key, principal, wait_s, stale.token)

    def forget(self, tenant_id: str, instance: str) -> None:
        """That instance has ended."""
        for key, route in list(self._kept.items()):
            if key[0] == tenant_id and route.instance == instance:
                del self._kept[key]

    def forget_all(self) -> None:
        self._kept.clear()

    def _valid(self, key: Key) -> CellRoute | None:
        route = self._kept.get(key)
        return route if route is not None and self.clock() < route.valid_until else None

    async def _in_turn(
        self, key: Key, principal: Principal, wait_s: float, stale: str
    ) -> CellRoute | m.Waking:
        async with self._turns.setdefault(key, asyncio.Lock()):
            if (known := self._valid(key)) is not None:
                return known
            answer = await self.ask(_person(principal, wait_s, stale))
            if isinstance(answer, m.Waking):
                return answer
            return self._keep(key, answer)

    def _keep(self, key: Key, answer: m.Route) -> CellRoute:
        route = CellRoute(answer.address, answer.instance, answer.token, answer.valid_until)
        self._kept.pop(key, None)
        self._kept[key] = route
        if len(self._kept) > self.routes_max:
            del self._kept[next(iter(self._kept))]
        return route


def _key(principal: Principal) -> Key:
    return principal.tenant.id, principal.issuer, principal.subject, principal.role


def _person(principal: Principal, wait_s: float, stale: str) -> m.Person:
    is_key = principal.proof is Proof.KEY
    return m.Person(
        tenant_id=principal.tenant.id,
        issuer=principal.issuer,
        subject=principal.proof_id if is_key else principal.subject,
        name=principal.name or principal.email.partition("@")[0],
        role=None if principal.role is None else int(principal.role),
        is_key=is_key,
        stale=stale,
        wait_s=wait_s,
    )
