"""The connections that queries use.

Rule 1: they cannot write. Rule 2: every wait and every query ends: there is a bounded number of
connections, and a query that takes longer than the deadline is interrupted.
"""

import queue
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from roost.errors import Unavailable

_STEPS_BETWEEN_LOOKS = 20_000
"""Of SQLite's machine; less than a millisecond."""
_MAPPED_BYTES = 4 << 30
_TOO_LONG = "The search takes too long. Narrow it: a shorter time range, or a filter for one value."
_BUSY = "Too many searches are under way. Try again in a moment."


class Readers:
    def __init__(
        self,
        path: Path,
        limit: int,
        deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._deadline_s = deadline_s
        self._clock = clock
        self._idle: queue.LifoQueue[sqlite3.Connection | None] = queue.LifoQueue(limit)
        for _ in range(limit):
            self._idle.put(None)
        self._limit = limit

    @contextmanager
    def borrowed(self) -> Iterator[sqlite3.Connection]:
        """A connection on one state of the index. Unavailable where none is free in time, or the
        deadline passes."""
        try:
            db = self._idle.get(timeout=self._deadline_s)
        except queue.Empty:
            raise Unavailable(_BUSY, reason="no free reader of the index") from None
        try:
            if db is None:
                db = self._connected()
            yield from self._one_state(db)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_INTERRUPT":
                raise
            raise Unavailable(_TOO_LONG, reason="over the index's deadline") from error
        finally:
            self._idle.put(db)

    def close(self) -> None:
        """Waits for those that are in use, each until its deadline."""
        for _ in range(self._limit):
            if (db := self._idle.get()) is not None:
                db.close()

    def _one_state(self, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        ends = self._clock() + self._deadline_s
        db.set_progress_handler(lambda: self._clock() > ends, _STEPS_BETWEEN_LOOKS)
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.set_progress_handler(None, 0)
            db.rollback()

    def _connected(self) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        db = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        db.execute("PRAGMA query_only = ON")
        db.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        db.execute("PRAGMA temp_store = MEMORY")
        return db
