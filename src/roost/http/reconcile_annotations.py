"""Annotations that were written, changed or deleted in Phoenix reach the index.

Rule: what the log says and the cell has not heard yet is not missing there: only what is settled,
and does not wait for its target, can have been deleted.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from roost.cells.ledger_annotations import KINDS, Found, SqliteAnnotations
from roost.cells.ledger_file import micros
from roost.http.index_desk import IndexDesk
from roost.index.amending import mark_of
from roost.index.cell_annotations import (
    AnnotationKey,
    CellAnnotation,
    annotation_keys,
    put_annotations,
    remove_annotations,
)
from roost.ingest.forward import Forward
from roost.log.base import Log
from roost.log.records import annotations_of
from roost.storage.progress import Progress

ROWS_AT_ONCE = 1_000
OVERLAP_US = 2_000_000
_FIRST = AnnotationKey("", "", "", "")


@dataclass(slots=True)
class AnnotationReading:
    index: IndexDesk
    log: Log
    forward: Forward
    progress: Progress
    clock: Callable[[], float]
    _walked: dict[str, int] = field(default_factory=dict)
    """How far the slow walk through each of the cell's tables is."""
    _key: AnnotationKey = _FIRST
    """How far the walk through the index's is."""
    _said: dict[str, list[Found]] = field(default_factory=dict)
    """The slice that the slow walk has seen last."""
    _seen: dict[str, tuple[int, str]] = field(default_factory=dict)
    """The newest in each table when all of it was known, and too long ago for more of that time."""

    async def look(self, annotations: SqliteAnnotations) -> None:
        for of in KINDS:
            await self._news(annotations, of)
            await self._walk(annotations, of)
        await self._missing(annotations)

    async def _news(self, annotations: SqliteAnnotations, of: str) -> None:
        """What is newer than what was read, by row or by time."""
        newest = await annotations.newest(of)
        if newest == self._seen.get(of, (0, "")):
            return
        mark, after = f"annotations.{of}", 0
        row, _, stamp = (await self.index.read(lambda db: mark_of(db, mark)) or "0 ").partition(" ")
        since = int(row), _earlier(stamp)
        while found := await annotations.changed(of, after, since, ROWS_AT_ONCE):
            after = found[-1].row
            await self._put(found)
        await self.index.amend(lambda hand: hand.mark(mark, f"{newest[0]} {newest[1]}"))
        if newest[1] and micros(newest[1]) + OVERLAP_US < self.clock() * 1e6:
            self._seen[of] = newest

    async def _walk(self, annotations: SqliteAnnotations, of: str) -> None:
        """One slice of all there are: rows are given anew, and times may be set back."""
        found = await annotations.slice(of, self._walked.get(of, 0), ROWS_AT_ONCE)
        self._walked[of] = found[-1].row if len(found) == ROWS_AT_ONCE else 0
        if found and found != self._said.get(of):
            await self._put(found)
        self._said[of] = found

    async def _put(self, found: Sequence[Found]) -> None:
        await self.index.reached(self.log.extent.last)
        news = [CellAnnotation(one.annotation, one.at_us) for one in found]
        await self.index.amend(lambda hand: put_annotations(hand, news))

    async def _missing(self, annotations: SqliteAnnotations) -> None:
        """One slice of those that the index has: those that the cell has no more."""
        until = await self._settled_until_us()
        after = self._key
        keys = await self.index.read(lambda db: annotation_keys(db, after, until, ROWS_AT_ONCE))
        self._key = keys[-1][0] if len(keys) == ROWS_AT_ONCE else _FIRST
        lacking = await _lacking(annotations, [key for key, is_there in keys if is_there])
        if not lacking:
            return
        waiting = await self._waiting()
        # Once more: one that waited may have been written while the list was read.
        gone = await _lacking(annotations, [key for key in lacking if key not in waiting])
        if gone:
            await self.index.amend(lambda hand: remove_annotations(hand, gone))

    async def _settled_until_us(self) -> int:
        cursor = self.forward.cursor
        if cursor >= self.log.extent.last:
            return 2**62
        records = await self.log.get([cursor])
        return round(records[cursor].at * 1e6) if cursor in records else 0

    async def _waiting(self) -> Collection[AnnotationKey]:
        keys, after = set[AnnotationKey](), 0
        while rows := await self.progress.waiting(after):
            after = rows[-1][0]
            for one in (one for _, body in rows for one in annotations_of(body)):
                target = one.target if one.of == "session" else one.target.lower()
                keys.add(AnnotationKey(one.of, target, one.name, one.identifier))
        return keys


async def _lacking(
    annotations: SqliteAnnotations, keys: Sequence[AnnotationKey]
) -> list[AnnotationKey]:
    """Those whose target the cell holds, and not them."""
    found: list[AnnotationKey] = []
    for of in KINDS:
        mine = [key for key in keys if key.of == of]
        if not mine:
            continue
        present = await annotations.present(of, sorted({key.target for key in mine}))
        found += [key for key in mine if present.lacks(*key[1:])]
    return found


def _earlier(stamp: str) -> str:
    """A little before that time, as Phoenix writes it: it stamps whole seconds.

    >>> _earlier("2026-11-26 10:00:01.5"), _earlier("")
    ('2026-11-26 09:59:59', '')
    """
    if not stamp:
        return ""
    at = datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp() - OVERLAP_US / 1e6
    return datetime.fromtimestamp(math.floor(at), UTC).strftime("%Y-%m-%d %H:%M:%S")
