"""A tenant of a small Roost whose Phoenix stores spans, or does as it is told."""

import asyncio
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
from tests.cells.phoenix_file import PhoenixFile
from tests.cells.stock_phoenix import until
from tests.ingest.spans import PROTOBUF, group, request, span
from tests.installation import Installation

from roost.errors import Unavailable
from roost.http import messages as m
from roost.http.keeper_client import KeeperClient
from roost.http.messages import socket_path

WITHIN_S = 20.0
T = TypeVar("T")


@dataclass(frozen=True)
class Fed:
    """`key` may send spans and delete; `cell` is the directory of the tenant's Phoenix."""

    roost: Installation
    slug: str
    key: str
    cell: Path

    def tell(self, fault: str) -> None:
        """What its Phoenix does wrong with spans from now on; "" for nothing."""
        draft = self.cell / "spans.draft"
        draft.write_text(fault)
        draft.replace(self.cell / "spans")

    def send(
        self, names: Sequence[str], *, trace: str = "", timeout_s: float = 30.0
    ) -> httpx.Response:
        """One batch of spans with these names, each with an id of its own."""
        trace_id = bytes.fromhex(trace or secrets.token_hex(16))
        spans = [span(name, trace_id, secrets.token_bytes(8)) for name in names]
        return self.post(request(group(spans)).SerializeToString(), timeout_s)

    def post(self, body: bytes, timeout_s: float = 30.0) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}", "content-type": PROTOBUF}
        return httpx.post(
            f"{self.roost.base}/v1/traces", content=body, headers=headers, timeout=timeout_s
        )

    def take(self, *names: str, trace: str = "") -> None:
        """Sent, and acknowledged."""
        answer = self.send(names, trace=trace)
        assert answer.status_code == 200, answer.text

    def delete(self, trace: str) -> None:
        headers = {"authorization": f"Bearer {self.key}"}
        url = f"{self.roost.base}/v1/traces/{trace}"
        assert httpx.delete(url, headers=headers, timeout=30).status_code in (204, 404)

    @property
    def stored(self) -> list[str]:
        """Names of the spans that its Phoenix holds, sorted."""
        uri = f"{(self.cell / 'phoenix.db').as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=10)) as db:
            return sorted(name for (name,) in db.execute("SELECT name FROM spans"))

    def row(self) -> m.IngestRow:
        """Unavailable while the keeper is."""

        async def asked(keeper: KeeperClient) -> list[m.IngestRow]:
            return await keeper.ask("ingest/status", list[m.IngestRow])

        rows = asyncio.run(_with_keeper(self.roost, asked))
        return next(row for row in rows if row.tenant == self.slug)

    def parked(self) -> list[str]:
        """The reasons."""

        async def asked(keeper: KeeperClient) -> list[m.ParkedRow]:
            return await keeper.ask("ingest/parked", list[m.ParkedRow], m.ParkedQuery(self.slug))

        return [row.reason for row in asyncio.run(_with_keeper(self.roost, asked))]

    def until_settled(self, within_s: float = WITHIN_S) -> None:
        def is_settled() -> bool:
            try:
                row = self.row()
            except Unavailable:
                return False
            return row.settled == row.received

        until(is_settled, f"all of {self.slug} was settled", within_s)

    def until_fault(self, text: str, within_s: float = WITHIN_S) -> None:
        """Forward says why it does not go on."""
        until(lambda: text in self.row().fault, f"{text!r} was told", within_s)


def feed(roost: Installation, *slugs: str) -> list[Fed]:
    """New tenants, whose Phoenix begins with an empty database."""

    async def made(keeper: KeeperClient) -> list[Fed]:
        return [await _made(roost, keeper, slug) for slug in slugs]

    return asyncio.run(_with_keeper(roost, made))


async def _made(roost: Installation, keeper: KeeperClient, slug: str) -> Fed:
    tenant = await keeper.ask("tenants/create", m.TenantRow, m.NewTenant(slug))
    scopes = m.NewKey(slug, ["admin", "ingest"])
    key = (await keeper.ask("keys/create", m.MintedKey, scopes)).key
    cell = roost.data_dir / "homes" / tenant.id / "phoenix"
    await asyncio.to_thread(cell.mkdir, parents=True, mode=0o700)
    await asyncio.to_thread(PhoenixFile(cell / "phoenix.db").make)
    return Fed(roost, slug, key, cell)


async def _with_keeper(roost: Installation, ask: Callable[[KeeperClient], Awaitable[T]]) -> T:
    async with KeeperClient(socket_path(roost.data_dir)) as keeper:
        return await ask(keeper)
