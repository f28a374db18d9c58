"""A trace that was transferred to another project in the cell, a session that began in another.

Rule: everything that counts by project goes along; what stands on the trace stays.
"""

import sqlite3
from dataclasses import dataclass, replace

from roost.index.amending import Hand
from roost.index.schema import SPAN_BITS
from roost.index.trace_store import Stored, load, spans_of_trace


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """A session, by word and by name, and its project's name."""

    word: int
    session: str
    project: str


def sessions_after(db: sqlite3.Connection, word: int, limit: int) -> list[SessionPlace]:
    """Those behind that word, in order."""
    rows = db.execute(
        "SELECT s.word, w.text, p.name FROM session s JOIN word w ON w.id = s.word"
        " JOIN project p ON p.id = s.project WHERE s.word > ? ORDER BY s.word LIMIT ?",
        (word, limit),
    )
    return [SessionPlace(*row) for row in rows]


def move_session(hand: Hand, word: int, project: str) -> None:
    """The session alone: its traces are where they are."""
    to = hand.projects.id_of(project)
    hand.db.execute("UPDATE session SET project = ? WHERE word = ?", (to, word))


def move(hand: Hand, trace_id: bytes, project: str) -> bool:
    """Whether there was anything to do. Watchers of the old project see it go."""
    before = load(hand.db, trace_id)
    if before is None:
        return False
    to = hand.projects.id_of(project)
    if before.record.project == to:
        return False
    record = before.record._replace(project=to, changed=hand.position)
    after = replace(before, record=record)
    _write(hand, before, after)
    hand.note(before, None)
    hand.note(None, after)
    return True


def _write(hand: Hand, before: Stored, after: Stored) -> None:
    trace = before.record.id
    spans = spans_of_trace(hand.db, trace)
    bounds = trace << SPAN_BITS, (trace + 1) << SPAN_BITS
    # They are counted out of the one project and into the other as they are written again.
    hand.db.execute("DELETE FROM span WHERE id >= ? AND id < ?", bounds)
    hand.traces.write(before, after, added=spans, removed=spans)
    for project, count in ((before.record.project, -1), (after.record.project, 1)):
        hand.db.execute("UPDATE project SET traces = traces + ? WHERE id = ?", (count, project))
