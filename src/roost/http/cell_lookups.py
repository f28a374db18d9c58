"""Until the index answers it: the tenant's cell says which spans and projects it has."""

import base64
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from roost.http.ingest import CellAnswer
from roost.ingest.to_cell import judge_status
from roost.model import TenantId

_IDS_AT_ONCE = 50
"""As many aliases as Phoenix allows."""


@dataclass(frozen=True, slots=True)
class CellLookups:
    """`post(tenant, path, body)` posts JSON to the cell."""

    post: Callable[[TenantId, str, bytes], Awaitable[CellAnswer]]

    async def known(self, tenant: TenantId, span_ids: Sequence[str]) -> Collection[str]:
        found: set[str] = set()
        for at in range(0, len(span_ids), _IDS_AT_ONCE):
            ids = dict(enumerate(span_ids[at : at + _IDS_AT_ONCE]))
            names = ", ".join(f"$i{place}: String!" for place in ids)
            fields = " ".join(f"s{at}: getSpanByOtelId(spanId: $i{at}) {{ id }}" for at in ids)
            variables = {f"i{place}": one for place, one in ids.items()}
            told = await self._ask(tenant, f"query ({names}) {{ {fields} }}", variables)
            found.update(one for place, one in ids.items() if told.get(f"s{place}"))
        return found

    async def project_name(self, tenant: TenantId, row: int) -> str | None:
        query = "query ($id: ID!) { node(id: $id) { ... on Project { name } } }"
        variables = {"id": base64.b64encode(f"Project:{row}".encode()).decode()}
        node = (await self._ask(tenant, query, variables)).get("node")
        return str(node["name"]) if isinstance(node, dict) and "name" in node else None

    async def _ask(
        self, tenant: TenantId, query: str, variables: Mapping[str, str]
    ) -> Mapping[str, object]:
        body = msgspec.json.encode({"query": query, "variables": variables})
        said = await self.post(tenant, "/graphql", body)
        judge_status(said.status)
        data = msgspec.json.decode(said.body, type=dict[str, object]).get("data")
        return data if isinstance(data, dict) else {}
