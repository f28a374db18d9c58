"""What SQLite and the disk say, in the words of Roost.

Rule: a full disk and a busy one pass, a damaged segment does not, and its name is told.
"""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roost.errors import Unavailable
from roost.log.base import Damaged
from roost.log.row import Torn

_NO_ROOM = "The disk that holds the log of this tenant is full. Send the batch again later."
_FAILED = "The log of this tenant could not be used. Try again in a moment."
_NO_ROOM_RETRY_S = 30
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@contextmanager
def told_of(segment: Path) -> Iterator[None]:
    """Errors of the block as Unavailable or Damaged."""
    try:
        yield
    except sqlite3.Error as error:
        raise _of_sqlite(error, segment) from error
    except Torn as error:
        raise damaged(segment, str(error)) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(f"{segment}: {error}") from error
        raise Unavailable(_FAILED, reason=f"{segment}: {error}") from error


def damaged(segment: Path, why: str) -> Damaged:
    return Damaged(
        f"Segment {segment.name} of the log is damaged: {why}. Put it back from a backup.",
        reason=f"{segment}: {why}",
        retry_after_s=60,
    )


def _of_sqlite(error: sqlite3.Error, segment: Path) -> Unavailable:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return _no_room(f"{segment}: {error}")
    if code in _DAMAGE or (code == sqlite3.SQLITE_ERROR and "no such" in str(error)):
        return damaged(segment, str(error))
    return Unavailable(_FAILED, reason=f"{segment}: {type(error).__name__}: {error}")


def _no_room(reason: str) -> Unavailable:
    return Unavailable(_NO_ROOM, reason=reason, retry_after_s=_NO_ROOM_RETRY_S)
