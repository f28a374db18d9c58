"""Judged spans on their way from the gateway into the tenant's log."""

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
