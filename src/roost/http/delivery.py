"""Judged spans on their way from the gateway into the log, and what is asked on the way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from roost.http import messages as m
from roost.http.keeper_client import KeeperClient
from roost.log.base import Kind
from roost.model import TenantId


@dataclass(frozen=True, slots=True)
class Delivery:
    keeper: KeeperClient

    async def spans(self, tenant: TenantId, payloads: tuple[bytes, ...]) -> None:
        """Durable once this returns: all of them or none."""
        await self.keeper.append(m.Append(tenant, Kind.SPANS, list(payloads)))

    async def known(self, tenant: TenantId, span_ids: Sequence[str]) -> Collection[str]:
        """Those of them that the tenant has sent before."""
        return await self.keeper.ask("ingest/known", list[str], m.SpanIds(tenant, list(span_ids)))

    async def project_name(self, tenant: TenantId, row: int) -> str | None:
        said = await self.keeper.ask("ingest/project", m.ProjectName, m.ProjectId(tenant, row))
        return said.name
