"""What a gateway knows of the installation: a copy that the keeper keeps fresh.

Rule: no fresh copy, no answer. While the watch is down nothing is believed from memory.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import assert_never

from roost.errors import Unavailable
from roost.http import messages as m
from roost.model import Slug, Tenant, TenantId

FIRST_SNAPSHOT_S = 20.0
RETRY_S = 0.5

log = logging.getLogger("roost.watch")


class Watch:
    """`on_revoked(proof_id)`, `on_cell_gone(tenant_id, instance)` and `on_lost()` are told as it
    happens; the rest is read from the attributes after `ready()`."""

    def __init__(
        self,
        events: Callable[[], AsyncIterator[m.Event]],
        on_revoked: Callable[[str], None],
        on_cell_gone: Callable[[str, str], None],
        on_lost: Callable[[], None],
        revive: Callable[[], object] = lambda: None,
    ) -> None:
        self._events = events
        self._on_revoked = on_revoked
        self._on_cell_gone = on_cell_gone
        self._on_lost = on_lost
        self._revive = revive
        self._fresh = asyncio.Event()
        self.base_path = ""
        self.enabled = True
        self.tenants: dict[Slug, Tenant] = {}

    async def ready(self) -> None:
        """Returns at once while the copy is fresh; Unavailable when it does not become so."""
        if self._fresh.is_set():
            return
        try:
            async with asyncio.timeout(FIRST_SNAPSHOT_S):
                await self._fresh.wait()
        except TimeoutError:
            raise Unavailable(
                "Roost's keeper does not answer. It may be starting; try again.",
                reason="no snapshot from the keeper",
            ) from None

    async def follow(self) -> None:
        """Follow the keeper for ever; lost, look for it again (`revive` may start one)."""
        while True:
            try:
                async for event in self._events():
                    self._take(event)
                log.warning("the keeper ended its watch")
            except Unavailable as error:
                log.warning("lost the keeper: %s", error.reason)
            self._fresh.clear()
            self._on_lost()
            self._revive()
            await asyncio.sleep(RETRY_S)

    def _take(self, event: m.Event) -> None:
        match event:
            case m.Snapshot():
                self.base_path = event.base_path
                self.enabled = event.enabled
                self.tenants = {Slug(row.slug): _tenant(row) for row in event.tenants}
                for proof_id in event.revoked:
                    self._on_revoked(proof_id)
                self._fresh.set()
            case m.TenantAdded():
                self.tenants[Slug(event.tenant.slug)] = _tenant(event.tenant)
            case m.TenantGone():
                self._remove(event.tenant)
            case m.Switched():
                self.enabled = event.enabled
            case m.Revoked():
                self._on_revoked(event.proof_id)
            case m.CellGone():
                self._on_cell_gone(event.tenant_id, event.instance)
            case m.Heartbeat():
                pass
            case _:
                assert_never(event)

    def _remove(self, row: m.TenantRow) -> None:
        """Unless the slug belongs to a new tenant already."""
        known = self.tenants.get(Slug(row.slug))
        if known is not None and known.id == row.id:
            del self.tenants[known.slug]


def _tenant(row: m.TenantRow) -> Tenant:
    return Tenant(TenantId(row.id), Slug(row.slug), row.name)
