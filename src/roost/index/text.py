"""Which traces say a word.

Rule: a word that few spans say is looked up, and its traces are the candidates; one that many say
is looked up and tested trace by trace; one that a great part of them says is read in the trace
itself. All three say the same of every trace.
"""

import re
import sqlite3
import unicodedata
from dataclasses import dataclass

from roost.errors import BadRequest
from roost.index.effort import Effort
from roost.index.schema import SPAN_BITS

MAX_TERMS = 12
LEAST_PREFIX_CHARS = 3

_TERM = re.compile(r"([^\W_]+)(\*?)")


@dataclass(frozen=True, slots=True)
class Term:
    word: str
    is_prefix: bool

    @property
    def match(self) -> str:
        """For FTS5. A word holds nothing but letters and digits."""
        return f'"{self.word}"' + ("*" if self.is_prefix else "")


def terms_of(text: str) -> list[Term]:
    """
    >>> [term.match for term in terms_of("no-refund rain*")]
    ['"no"', '"refund"', '"rain"*']
    """
    found = _TERM.findall(unicodedata.normalize("NFC", text))
    terms = [Term(word, bool(star)) for word, star in dict.fromkeys(found)]
    if len(terms) > MAX_TERMS:
        raise BadRequest(f"search for at most {MAX_TERMS} words")
    if any(one.is_prefix and len(one.word) < LEAST_PREFIX_CHARS for one in terms):
        raise BadRequest(f"write at least {LEAST_PREFIX_CHARS} letters before a *")
    return terms


def find(db: sqlite3.Connection, term: Term, effort: Effort, function: str) -> set[int] | str:
    """The traces that say it, or SQL that tests a trace `t` by a function of that name on this
    connection."""
    said = "SELECT rowid FROM words_of WHERE words_of MATCH ? LIMIT ?"
    counted = f"SELECT count(*) FROM ({said})"  # noqa: S608
    count = db.execute(counted, (term.match, effort.lots + 1)).fetchone()[0]
    if count > effort.lots:
        db.create_function(function, 1, _Reader(term).says, deterministic=True)
        return (
            f"EXISTS (SELECT 1 FROM words_of_content c WHERE c.id >= t.id << {SPAN_BITS}"  # noqa: S608
            f" AND c.id < (t.id + 1) << {SPAN_BITS} AND {function}(c.c0))"
        )
    rows = db.execute(
        f"SELECT DISTINCT rowid >> {SPAN_BITS} FROM ({said})",  # noqa: S608
        (term.match, effort.lots),
    )
    ids = {row[0] for row in rows}
    if count <= effort.rare:
        return ids
    db.create_function(function, 1, ids.__contains__, deterministic=True)
    return f"{function}(t.id)"


class _Reader:
    """Finds a term in a text as FTS5's unicode61 does: whole words, without case and accents."""

    def __init__(self, term: Term) -> None:
        end = "" if term.is_prefix else r"(?![^\W_])"
        self._found = re.compile(rf"(?<![^\W_]){re.escape(_folded(term.word))}{end}").search

    def says(self, text: str) -> bool:
        return self._found(_folded(text)) is not None


def _folded(text: str) -> str:
    """
    >>> _folded("Crème Brûlée")
    'creme brulee'
    """
    if text.isascii():
        return text.lower()
    return "".join(
        one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one)
    ).lower()
