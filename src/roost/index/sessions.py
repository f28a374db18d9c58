"""Lists of sessions.

Rule: an end user's session consists of their own traces in it; what others did under the same id
does not show in its times, counts or costs.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from roost.errors import NotFound
from roost.index.asked import owner_label
from roost.index.catalogue import known_project
from roost.index.cursors import Edge
from roost.index.postings import Posted
from roost.index.rows import SessionRow
from roost.index.traces import cost_usd
from roost.index.viewer import OwnTraces, Viewer
from roost.index.words import known_word

_OF_ONE = """
SELECT count(*), min(t.start), max(t.end), sum(t.errors > 0), sum(t.tokens),
  sum(CASE WHEN t.cost >= 0 THEN t.cost END), min(CASE WHEN t.user THEN t.id END),
  max(t.several) OR count(DISTINCT nullif(t.user, 0)) > 1, min(t.id)
FROM posting p CROSS JOIN trace t ON t.id = p.trace
WHERE p.dimension = ? AND p.value = ? AND (? OR t.owner = ?)
"""
_EVERYBODY = 1, 0
"""Values for `(? OR t.owner = ?)`."""


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Sessions whose last trace ended in [since, until); `user` is that of any span in it."""

    project: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    user: str | None = None


def page(
    db: sqlite3.Connection, viewer: Viewer, wanted: SessionFilter, edge: Edge | None, limit: int
) -> list[Edge]:
    """The latest first: end and word of each."""
    least, most = wanted.since_us or 0, (1 << 62) if wanted.until_us is None else wanted.until_us
    where, values = "e >= ? AND e < ?", [least, most]
    if edge is not None:
        where += " AND e <= ? AND (e < ? OR word < ?)"
        values += [int(edge.value), int(edge.value), edge.id]
    if wanted.project is not None:
        where += " AND project = ?"
        values.append(known_project(db, wanted.project) or 0)
    source, begun = _source(db, viewer, wanted.user)
    rows = db.execute(
        f"SELECT e, word FROM ({source}) WHERE {where} ORDER BY e DESC, word DESC LIMIT ?",  # noqa: S608
        (*begun, *values, limit),
    )
    return [Edge(*row) for row in rows]


def rows_of(db: sqlite3.Connection, viewer: Viewer, words: Sequence[int]) -> list[SessionRow]:
    return [_row(db, viewer, word) for word in words]


def visible(db: sqlite3.Connection, viewer: Viewer, session: str) -> int:
    """The session's word. NotFound where the viewer sees no trace of it."""
    word = known_word(db, session)
    if word is None or not _totals(db, viewer, word)[0]:
        raise NotFound("there is no such session")
    return word


def _source(
    db: sqlite3.Connection, viewer: Viewer, user: str | None
) -> tuple[str, tuple[int, ...]]:
    """SQL for word, e (its end) and project of the sessions to choose from."""
    if isinstance(viewer, OwnTraces):
        dimension, owner = owner_label(db, viewer)
        others = user is not None and user != viewer.user_id
        return (
            "SELECT g.word, g.e, t.project FROM (SELECT t.session AS word, max(t.end) AS e,"
            " min(t.id) AS first FROM posting p CROSS JOIN trace t ON t.id = p.trace"
            " WHERE p.dimension = ? AND p.value = ? AND t.session GROUP BY 1) g"
            " CROSS JOIN trace t ON t.id = g.first",
            (dimension, 0 if others or owner is None else owner),
        )
    if user is None:
        return "SELECT word, end AS e, project FROM session", ()
    return (
        "SELECT word, end AS e, project FROM session WHERE word IN (SELECT t.session"
        " FROM posting p CROSS JOIN trace t ON t.id = p.trace"
        " WHERE p.dimension = ? AND p.value = ?)",
        (Posted.USER.value, known_word(db, user) or 0),
    )


def _totals(db: sqlite3.Connection, viewer: Viewer, word: int) -> tuple[int, ...]:
    row: tuple[int, ...] = db.execute(
        _OF_ONE, (Posted.SESSION.value, word, *_seen_by(db, viewer))
    ).fetchone()
    return row


def _seen_by(db: sqlite3.Connection, viewer: Viewer) -> tuple[int, int]:
    if isinstance(viewer, OwnTraces):
        return 0, owner_label(db, viewer)[1] or -1
    return _EVERYBODY


def _row(db: sqlite3.Connection, viewer: Viewer, word: int) -> SessionRow:
    count, start, end, failed, tokens, cost, by_user, several, first = _totals(db, viewer, word)
    names = db.execute(
        "SELECT (SELECT text FROM word WHERE id = ?),"
        " (SELECT name FROM project WHERE id = (SELECT project FROM trace WHERE id = ?)),"
        " (SELECT text FROM word WHERE id = (SELECT user FROM trace WHERE id = ?))",
        (word, first, by_user),
    ).fetchone()
    return SessionRow(
        session=names[0], project=names[1], start_us=start, end_us=end, traces=count,
        failed=failed, tokens=tokens, cost_usd=cost_usd(cost), user=names[2],
        several_users=bool(several), first_input=_preview(db, viewer, word, "input", "ASC"),
        last_output=_preview(db, viewer, word, "output", "DESC"),
    )  # fmt: skip


def _preview(db: sqlite3.Connection, viewer: Viewer, word: int, column: str, way: str) -> str:
    row = db.execute(
        f"SELECT v.{column} FROM posting p CROSS JOIN trace t ON t.id = p.trace"  # noqa: S608
        " CROSS JOIN preview v ON v.trace = t.id"
        " WHERE p.dimension = ? AND p.value = ? AND (? OR t.owner = ?)"
        f" ORDER BY p.start {way}, t.id {way} LIMIT 1",
        (Posted.SESSION.value, word, *_seen_by(db, viewer)),
    ).fetchone()
    return str(row[0])
