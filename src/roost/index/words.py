"""Texts that repeat, as numbers.

Rule: only the writer makes words. What it has cached is dropped when a transaction is rolled back,
because the numbers are given anew then.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

NONE = 0
"""No word: the span has no model, the trace no user."""

_CACHED_WORDS = 50_000


class Words:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._ids: dict[str, int] = {}

    def id_of(self, text: str) -> int:
        """Makes the word where it is new; "" is a word as well."""
        found = self._ids.get(text)
        return self._look_up(text) if found is None else found

    def optional(self, text: str) -> int:
        """NONE for ""."""
        return self.id_of(text) if text else NONE

    def text_of(self, word: int) -> str:
        row = self._db.execute("SELECT text FROM word WHERE id = ?", (word,)).fetchone()
        return str(row[0]) if row else ""

    def forget(self) -> None:
        self._ids.clear()

    def _look_up(self, text: str) -> int:
        if len(self._ids) >= _CACHED_WORDS:
            self._ids.clear()
        found = known_word(self._db, text)
        if found is None:
            found = self._db.execute("INSERT INTO word (text) VALUES (?)", (text,)).lastrowid
        self._ids[text] = word = int(found or NONE)
        return word


def known_word(db: sqlite3.Connection, text: str) -> int | None:
    """None where no span has ever said it."""
    row = db.execute("SELECT id FROM word WHERE text = ?", (text,)).fetchone()
    return int(row[0]) if row else None


def words_of(db: sqlite3.Connection, words: Sequence[int]) -> dict[int, str]:
    """The texts of those that there are."""
    wanted = msgspec.json.encode(words).decode()
    rows = db.execute(
        "SELECT w.id, w.text FROM json_each(?) j CROSS JOIN word w ON w.id = j.value", (wanted,)
    )
    return dict(rows.fetchall())
