"""What a watcher that was away has missed.

Rule: positions are answered whole, so that asking again from `upto` misses nothing. A trace that a
viewer may no longer see is named as removed, and nobody else's ever is.
"""

import sqlite3
from collections.abc import Sequence

from roost.index.asked import owner_label
from roost.index.rows import Changes
from roost.index.traces import rows_of
from roost.index.viewer import OwnTraces, Viewer
from roost.log.base import Position

_NOBODY = -1


def changed_since(db: sqlite3.Connection, viewer: Viewer, after: Position, limit: int) -> Changes:
    """About `limit` traces; more where one position changed more."""
    cursor = Position(db.execute("SELECT value FROM meta WHERE key = 'cursor'").fetchone()[0])
    if after >= cursor:
        return Changes((), (), after, more=False, gap=False)
    upto = min(cursor, _whole(db, after, limit) or cursor)
    bounds = after, upto
    found = db.execute(
        "SELECT id, owner FROM trace WHERE changed > ? AND changed <= ? ORDER BY changed, id",
        bounds,
    )
    if isinstance(viewer, OwnTraces):
        owner = owner_label(db, viewer)[1] or _NOBODY
        ids = [row[0] for row in found if row[1] == owner]
        gone = _removed(db, "owner = ?", (*bounds, owner))
    else:
        ids = [row[0] for row in found]
        gone = _removed(db, "deleted", bounds)
    rows = rows_of(db, ids)
    there = {row.trace_id for row in rows}
    removed = [one for one in gone if one not in there]
    return Changes(rows, removed, upto, more=upto < cursor, gap=_is_forgotten(db, after))


def _whole(db: sqlite3.Connection, after: Position, limit: int) -> Position | None:
    """The position up to which `limit` traces have changed, or one position's all; None where there
    are no more."""
    select = "SELECT changed FROM trace WHERE changed > ? ORDER BY changed LIMIT 1 OFFSET ?"
    beyond = db.execute(select, (after, limit)).fetchone()
    if beyond is None:
        return None
    first = db.execute(select, (after, 0)).fetchone()
    return Position(max(first[0], beyond[0] - 1))


def _removed(db: sqlite3.Connection, where: str, values: Sequence[int]) -> list[str]:
    """Each once, those that are still gone or hidden."""
    rows = db.execute(
        "SELECT DISTINCT trace_id FROM removal"  # noqa: S608
        f" WHERE position > ? AND position <= ? AND {where}",
        values,
    )
    return [row[0].hex() for row in rows]


def _is_forgotten(db: sqlite3.Connection, after: Position) -> bool:
    """Removals behind `after` have been dropped."""
    row = db.execute("SELECT id, position FROM removal ORDER BY id LIMIT 1").fetchone()
    return row is not None and row[0] > 1 and after < row[1]
