"""Annotations as the cell has them: written, changed and deleted there behind the log.

Rule: what says the same as the index is left alone, since the log knows more of its author. What
the log said later than the cell is not there yet, and stays.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from roost.index.amending import Hand
from roost.index.annotations import SESSION, annotate
from roost.index.trace_store import load_row
from roost.log.records import Annotation

_CLOCKS_US = 1_000_000
"""The cell stamps whole seconds."""
_SAID = "label, score, explanation, annotator_kind"


class AnnotationKey(NamedTuple):
    """What Phoenix and the index know one by; `target` in lower case."""

    of: str
    target: str
    name: str
    identifier: str


@dataclass(frozen=True, slots=True)
class CellAnnotation:
    """One in the cell, and when it was written there."""

    annotation: Annotation
    at_us: int

    @property
    def key(self) -> AnnotationKey:
        one = self.annotation
        return AnnotationKey(one.of, one.target, one.name, one.identifier)


def put_annotations(hand: Hand, found: Iterable[CellAnnotation]) -> int:
    """How many were not there, or another."""
    count = 0
    for one in found:
        if not _is_news(hand.db, one):
            continue
        count += 1
        _note(hand, annotate(hand.db, [one.annotation], one.at_us, hand.position))
    return count


def remove_annotations(hand: Hand, keys: Iterable[AnnotationKey]) -> None:
    """The cell has them no more."""
    gone = [Annotation(*key[:3], identifier=key.identifier, removed=True) for key in keys]
    _note(hand, annotate(hand.db, gone, 0, hand.position))


def annotation_keys(
    db: sqlite3.Connection, after: AnnotationKey, until_us: int, limit: int
) -> Sequence[tuple[AnnotationKey, bool]]:
    """Those behind `after`, in order; with each, whether it stands on something that is there and
    was written before `until_us`."""
    rows = db.execute(
        "SELECT of, target, name, identifier, (trace <> 0 OR of = ?) AND at < ? FROM annotation"
        " WHERE (of, target, name, identifier) > (?, ?, ?, ?)"
        " ORDER BY of, target, name, identifier LIMIT ?",
        (SESSION, until_us, *after, limit),
    )
    return [(AnnotationKey(*row[:4]), bool(row[4])) for row in rows]


def _is_news(db: sqlite3.Connection, one: CellAnnotation) -> bool:
    known = db.execute(
        f"SELECT {_SAID}, at FROM annotation"  # noqa: S608 - names of columns
        " WHERE of = ? AND target = ? AND name = ? AND identifier = ?",
        one.key,
    ).fetchone()
    if known is None:
        return True
    new = one.annotation
    said = new.label, new.score, new.explanation, new.annotator_kind
    return bool(known[:4] != said and known[4] < one.at_us + _CLOCKS_US)


def _note(hand: Hand, rows: Iterable[int]) -> None:
    for row in rows:
        stored = load_row(hand.db, row)
        hand.note(stored, stored)
