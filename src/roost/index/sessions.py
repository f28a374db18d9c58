"""Lists of sessions.

Rule: an end user's session consists of their own traces in it; what others did under the same id
does not show in its times, counts or costs.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from roost.errors import NotFound
from roost.index.asked import owner_label
from roost.index.catalogue import known_project, project_name
from roost.index.cursors import Edge
from roost.index.postings import Posted
from roost.index.rows import SessionRow
from roost.index.traces import cost_usd
from roost.index.viewer import OwnTraces, Viewer
from roost.index.words import known_word, words_of

_NONE = "there is no such session"
_OWN = """
SELECT count(*), min(t.start), max(t.end), sum(t.errors > 0), sum(t.tokens),
  sum(CASE WHEN t.cost >= 0 THEN t.cost END), 0, min(t.owner), min(t.id)
FROM posting p CROSS JOIN trace t ON t.id = p.trace
WHERE p.dimension = ? AND p.value = ? AND t.owner = ?
"""
_WHOLE = """
SELECT traces, start, end, failed, tokens, CASE WHEN priced THEN cost END,
  several OR least_user < most_user, least_user, project
FROM session WHERE word = ?
"""


_NAME = "(SELECT w.text FROM word w WHERE w.id = s.word)"
"""Equals stand in the order of their names: that of ids would tell what came first in the home,
traces that the viewer may not see included."""


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
        edge_name = "(SELECT w.text FROM word w WHERE w.id = ?)"
        where += f" AND e <= ? AND (e < ? OR {_NAME} < {edge_name})"
        values += [int(edge.value), int(edge.value), edge.id]
    if wanted.project is not None:
        where += " AND project = ?"
        values.append(known_project(db, wanted.project) or 0)
    source, begun = _source(db, viewer, wanted.user)
    rows = db.execute(
        f"SELECT e, s.word FROM ({source}) s WHERE {where}"  # noqa: S608
        f" ORDER BY e DESC, {_NAME} DESC LIMIT ?",
        (*begun, *values, limit),
    )
    return [Edge(*row) for row in rows]


def rows_of(db: sqlite3.Connection, viewer: Viewer, words: Sequence[int]) -> list[SessionRow]:
    return [_row(db, viewer, word) for word in words]


def visible(db: sqlite3.Connection, viewer: Viewer, session: str) -> int:
    """The session's word. NotFound where the viewer sees no trace of it."""
    word = known_word(db, session)
    if word is None or _totals(db, viewer, word) is None:
        raise NotFound(_NONE)
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


def _totals(db: sqlite3.Connection, viewer: Viewer, word: int) -> tuple[int, ...] | None:
    """Up to the user and the project; None where the viewer sees no trace of it."""
    found: tuple[int, ...] | None
    if not isinstance(viewer, OwnTraces):
        found = db.execute(_WHOLE, (word,)).fetchone()
        return found
    owner = owner_label(db, viewer)[1]
    found = db.execute(_OWN, (Posted.SESSION.value, word, owner)).fetchone()
    if found is None or not found[0]:
        return None
    project = db.execute("SELECT project FROM trace WHERE id = ?", (found[-1],)).fetchone()
    return (*found[:-1], *project)


def _row(db: sqlite3.Connection, viewer: Viewer, word: int) -> SessionRow:
    totals = _totals(db, viewer, word)
    if totals is None:
        raise NotFound(_NONE)
    count, start, end, failed, tokens, cost, several, user, project = totals
    named = words_of(db, [word, *([user] if user else [])])
    return SessionRow(
        session=named[word], project=project_name(db, project), start_us=start, end_us=end,
        traces=count, failed=failed, tokens=tokens, cost_usd=cost_usd(cost),
        user=named[user] if user else None, several_users=bool(several),
        first_input=_preview(db, viewer, word, "input", "ASC"),
        last_output=_preview(db, viewer, word, "output", "DESC"),
    )  # fmt: skip


def _preview(db: sqlite3.Connection, viewer: Viewer, word: int, column: str, way: str) -> str:
    """Of the trace that began first, or last."""
    own, values = "", [Posted.SESSION.value, word]
    if isinstance(viewer, OwnTraces):
        own = " AND EXISTS (SELECT 1 FROM trace WHERE id = p.trace AND owner = ?)"
        values.append(owner_label(db, viewer)[1] or 0)
    row = db.execute(
        f"SELECT v.{column} FROM preview v WHERE trace = (SELECT p.trace FROM posting p"  # noqa: S608
        f" WHERE p.dimension = ? AND p.value = ?{own}"
        f" ORDER BY p.start {way}, p.trace {way} LIMIT 1)",
        values,
    ).fetchone()
    return str(row[0]) if row else ""
