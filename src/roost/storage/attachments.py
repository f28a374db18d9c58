"""Which tenants live in a Phoenix that someone else runs."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from roost.errors import BadRequest
from roost.model import TenantId
from roost.storage.tables import attached_cells


@dataclass(frozen=True, slots=True)
class Attachments:
    engine: AsyncEngine
    clock: Callable[[], float]

    async def attach(self, tenant_id: TenantId, url: str) -> None:
        """One Phoenix, one tenant: BadRequest where either has a partner already."""
        row = {"tenant_id": tenant_id, "url": url, "attached_at": self.clock()}
        try:
            async with self.engine.begin() as connection:
                await connection.execute(insert(attached_cells).values(row))
        except IntegrityError:
            raise BadRequest(
                "That tenant has an attached cell already, or that Phoenix belongs to a tenant. "
                "One Phoenix serves one tenant; see `roost cells status`.",
                status=409,
            ) from None

    async def detach(self, tenant_id: TenantId) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(
                delete(attached_cells).where(attached_cells.c.tenant_id == tenant_id)
            )

    async def url_of(self, tenant_id: TenantId) -> str | None:
        query = select(attached_cells.c.url).where(attached_cells.c.tenant_id == tenant_id)
        async with self.engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none()
