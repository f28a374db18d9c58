"""Roost keys in the control database: hashed, shown once, revocable."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from roost.errors import NotFound
from roost.model import KeyRecord, Scope, Slug, TenantId
from roost.storage.tables import keys, tenants

LAST_USED_STEP_S = 60.0
"""`last_used_at` is written at most this often a key."""


@dataclass(frozen=True, slots=True)
class Keys:
    engine: AsyncEngine
    clock: Callable[[], float]

    async def add(self, record: KeyRecord) -> None:
        row = {
            "id": record.id,
            "tenant_id": record.tenant_id,
            "name": record.name,
            "secret_hash": record.secret_hash,
            "scopes": " ".join(sorted(record.scopes)),
            "project_pattern": record.project_pattern,
            "default_project": record.default_project,
            "created_at": record.created_at,
        }
        async with self.engine.begin() as connection:
            await connection.execute(insert(keys).values(row))

    async def find(self, key_id: str) -> KeyRecord | None:
        """The key with that id, revoked or not, unless its tenant is gone."""
        found = await self._select(keys.c.id == key_id)
        return found[0] if found else None

    async def of_tenant(self, tenant_id: TenantId) -> list[KeyRecord]:
        return await self._select(keys.c.tenant_id == tenant_id)

    async def revoke(self, tenant_id: TenantId, key_id: str) -> None:
        change = (
            update(keys)
            .where(keys.c.id == key_id, keys.c.tenant_id == tenant_id)
            .values(revoked_at=self.clock())
        )
        async with self.engine.begin() as connection:
            if (await connection.execute(change)).rowcount == 0:
                raise NotFound(f"There is no key {key_id!r} of that tenant.")

    async def used(self, record: KeyRecord) -> None:
        """Note the use, in steps of a minute: a busy key does not write on each call."""
        now = self.clock()
        if record.last_used_at is not None and now - record.last_used_at < LAST_USED_STEP_S:
            return
        async with self.engine.begin() as connection:
            await connection.execute(
                update(keys).where(keys.c.id == record.id).values(last_used_at=now)
            )

    async def _select(self, condition: ColumnElement[bool]) -> list[KeyRecord]:
        query = (
            select(keys, tenants.c.slug)
            .join(tenants, tenants.c.id == keys.c.tenant_id)
            .where(tenants.c.deleting_at.is_(None), condition)
            .order_by(keys.c.created_at)
        )
        async with self.engine.connect() as connection:
            return [_record(row) for row in await connection.execute(query)]


def _record(row: Row[*tuple[object, ...]]) -> KeyRecord:
    return KeyRecord(
        id=row.id,
        tenant_id=TenantId(row.tenant_id),
        tenant_slug=Slug(row.slug),
        name=row.name,
        secret_hash=row.secret_hash,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        project_pattern=row.project_pattern,
        default_project=row.default_project,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
