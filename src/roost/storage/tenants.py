"""Tenants in the control database. A slug is free again the moment its tenant is being deleted."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from roost.errors import BadRequest, NotFound
from roost.model import Slug, Tenant, TenantId, as_slug
from roost.storage.tables import tenants


def new_tenant_id() -> TenantId:
    """16 random bytes as lower-case hex: safe in file, database and role names."""
    return TenantId("t" + secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class Tenants:
    engine: AsyncEngine
    clock: Callable[[], float]

    async def create(self, slug: str, name: str = "") -> Tenant:
        """A new tenant. BadRequest where the slug is malformed or taken."""
        checked = as_slug(slug)
        if checked is None:
            raise BadRequest(
                f"{slug!r} cannot be a tenant's slug: use 1 to 40 of a-z, 0-9 and '-'."
            )
        tenant = Tenant(new_tenant_id(), checked, name or slug)
        row = {"id": tenant.id, "slug": slug, "name": tenant.name, "created_at": self.clock()}
        try:
            async with self.engine.begin() as connection:
                await connection.execute(insert(tenants).values(row))
        except IntegrityError:
            raise BadRequest(f"There is a tenant {slug!r} already.", status=409) from None
        return tenant

    async def all(self) -> list[Tenant]:
        query = select(tenants).where(tenants.c.deleting_at.is_(None)).order_by(tenants.c.slug)
        async with self.engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        return [Tenant(TenantId(row.id), Slug(row.slug), row.name) for row in rows]

    async def by_slug(self, slug: str) -> Tenant:
        return await self._one(tenants.c.slug == slug, f"There is no tenant {slug!r}.")

    async def by_id(self, tenant_id: str) -> Tenant:
        return await self._one(tenants.c.id == tenant_id, "That tenant is gone.")

    async def _one(self, condition: ColumnElement[bool], otherwise: str) -> Tenant:
        query = select(tenants).where(condition, tenants.c.deleting_at.is_(None))
        async with self.engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(otherwise)
        return Tenant(TenantId(row.id), Slug(row.slug), row.name)

    async def start_deleting(self, tenant_id: TenantId) -> None:
        """From here on the tenant does not exist for anybody; its home is still to be removed."""
        change = update(tenants).where(tenants.c.id == tenant_id).values(deleting_at=self.clock())
        async with self.engine.begin() as connection:
            await connection.execute(change)

    async def deleting(self) -> list[TenantId]:
        """Tenants whose removal was begun and not finished (a crash in between)."""
        query = select(tenants.c.id).where(tenants.c.deleting_at.is_not(None))
        async with self.engine.connect() as connection:
            return [TenantId(row.id) for row in (await connection.execute(query)).all()]

    async def forget(self, tenant_id: TenantId) -> None:
        """The last step of a deletion; keys and attachments go with the row."""
        async with self.engine.begin() as connection:
            await connection.execute(delete(tenants).where(tenants.c.id == tenant_id))
