"""Where a backfill writes: the log of a tenant, by the keeper's socket.

Rule: it waits where the keeper asks for it, says why, and not for ever.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from roost.errors import Unavailable
from roost.http import messages as m
from roost.http.keeper_client import KeeperClient
from roost.log.base import Kind

PATIENCE_S = 1_800.0
"""How long nothing may move before a run ends; the next one goes on."""
BEAT_S = 10.0

T = TypeVar("T")


@asynccontextmanager
async def kept_up(keeper: KeeperClient) -> AsyncIterator[None]:
    """A keeper that was started for a command ends when nobody asks it anything."""

    async def beat() -> None:
        while True:
            with suppress(Unavailable):
                await keeper.ask("status", m.Status)
            await asyncio.sleep(BEAT_S)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class KeeperSink:
    """The tenant's log, by the keeper's socket. `waits` is told why something is tried again."""

    keeper: KeeperClient
    tenant_id: str
    waits: Callable[[str], None]
    patience_s: float = PATIENCE_S

    async def spans(self, payloads: Sequence[bytes]) -> None:
        await self._append(Kind.SPANS, list(payloads))

    async def annotations(self, body: bytes) -> None:
        await self._append(Kind.ANNOTATIONS, [body])

    async def settled(self, span_id: str) -> None:
        asked = m.Arrival(self.tenant_id, [span_id])
        await self._tried(lambda: self.keeper.ask("ingest/arrived", m.Done, asked))

    async def _append(self, kind: Kind, bodies: list[bytes]) -> None:
        await self._tried(lambda: self.keeper.append(m.Append(self.tenant_id, kind, bodies)))

    async def _tried(self, call: Callable[[], Awaitable[T]]) -> T:
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                return await call()
            except Unavailable as error:
                if time.monotonic() > deadline:
                    raise
                self.waits(f"{error.message} {error.reason}".strip())
                await asyncio.sleep(error.retry_after_s or 1)


@dataclass(frozen=True, slots=True)
class NoSink:
    """For a dry run."""

    async def spans(self, payloads: Sequence[bytes]) -> None: ...

    async def annotations(self, body: bytes) -> None: ...

    async def settled(self, span_id: str) -> None: ...
