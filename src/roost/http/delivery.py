"""Spans on their way from gateway to keeper: judged bytes, and the tenant they belong to.

The keeper hands them to the cell today; the durable log takes this place.
"""

from dataclasses import dataclass

from roost.http.ingest import CellAnswer
from roost.http.keeper_client import KeeperClient
from roost.model import TenantId

OTLP_PATH = "/v1/traces"
OTLP_TYPE = "application/x-protobuf"
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Delivery:
    keeper: KeeperClient

    async def otlp(self, tenant: TenantId, payload: bytes) -> int:
        """Judged protobuf; the status that the cell answered."""
        said = await self.keeper.deliver(tenant, OTLP_PATH, OTLP_TYPE, payload)
        return said.status

    async def logged(self, tenant: TenantId, path: str, body: bytes) -> CellAnswer:
        """JSON spans for the project in `path`."""
        said = await self.keeper.deliver(tenant, path, JSON_TYPE, body)
        return CellAnswer(said.status, said.content_type, said.body)
