"""Spans that the cell has made itself (playground, evaluators, experiments) enter the index.

Rule: what the log brings is the log's. Only once the index has read as far as the log went when the
cell was looked at, a span that it does not know is one of the cell's own.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from roost.cells.ledger_spans import SpanKey
from roost.cells.ledger_view import SpanSource
from roost.http.index_desk import IndexDesk
from roost.index import places
from roost.index.amending import Hand, mark_of
from roost.index.upkeep import gone_traces
from roost.log.base import Log

MARK = "spans"
KEYS_AT_ONCE = 2_000
SLICES_A_LOOK = 50
BODIES_AT_ONCE = 100
_START = SpanKey(0, "", "")


@dataclass(frozen=True, slots=True)
class SpanReading:
    index: IndexDesk
    log: Log

    async def look(self, spans: SpanSource) -> bool:
        """Whether the cell was read to its end; else there is more to look at."""
        last = await self._resume(spans)
        for _ in range(SLICES_A_LOOK):
            keys = await spans.keys(last.row, KEYS_AT_ONCE)
            if not keys:
                return True
            await self._take(spans, keys)
            last = keys[-1]
        return False

    async def _resume(self, spans: SpanSource) -> SpanKey:
        """From the beginning where rows are given anew: the newest ones were deleted."""
        said = await self.index.read(lambda db: mark_of(db, MARK))
        last = msgspec.json.decode(said, type=SpanKey) if said else _START
        return last if last == _START or await spans.is_at(last) else _START

    async def _take(self, spans: SpanSource, keys: Sequence[SpanKey]) -> None:
        await self.index.reached(self.log.extent.last)
        plain = [key for key in keys if key.is_plain]
        unknown = await self.index.read(lambda db: _unknown(db, plain))
        for at in range(0, len(unknown), BODIES_AT_ONCE):
            found = await spans.spans([key.row for key in unknown[at : at + BODIES_AT_ONCE]])
            await self.index.amend(lambda hand, found=found: hand.absorb(found))  # type: ignore[misc]
        await self.index.amend(lambda hand: _mark(hand, keys[-1]))


def _mark(hand: Hand, key: SpanKey) -> None:
    hand.mark(MARK, msgspec.json.encode(key).decode())


def _unknown(db: sqlite3.Connection, keys: Sequence[SpanKey]) -> list[SpanKey]:
    known = places.known(db, [bytes.fromhex(key.span_id) for key in keys])
    gone = gone_traces(db, {bytes.fromhex(key.trace_id) for key in keys})
    return [
        key
        for key in keys
        if bytes.fromhex(key.span_id) not in known and bytes.fromhex(key.trace_id) not in gone
    ]
