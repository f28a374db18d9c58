import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.index.contents import contents_of
from tests.index.spans import made, spans_record

from roost.errors import Unavailable
from roost.index.filters import TraceFilter
from roost.index.home import Index, erase
from roost.index.reading import Readers
from roost.index.viewer import EVERYTHING

RECORDS = [spans_record(1, made(1, 10)), spans_record(2, made(2, 20))]


def test_an_index_goes_on_where_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with Index.open(path) as index:
        index.apply(RECORDS[:1])
    with Index.open(path) as index:
        assert index.cursor == 1
        index.apply(RECORDS)
        assert index.queries.count(EVERYTHING, TraceFilter()).count == 2


def of_another_version(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = '0 with text' WHERE key = 'fingerprint'")
    db.close()


def no_database(path: Path) -> None:
    erase(path)
    path.write_bytes(b"this is no database, but it is long enough to look like one" * 40)


def without_tables(path: Path) -> None:
    erase(path)
    sqlite3.connect(path).close()


@pytest.mark.parametrize("spoil", [of_another_version, no_database, without_tables, erase])
def test_what_it_cannot_use_is_built_again(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = tmp_path / "index.db"
    with Index.open(path) as index:
        index.apply(RECORDS)
        expected = contents_of(index)
    spoil(path)
    with Index.open(path) as index:
        assert index.cursor == 0
        index.apply(RECORDS)
        assert contents_of(index) == expected


def test_full_text_may_be_left_out(tmp_path: Path) -> None:
    with Index.open(tmp_path / "index.db", full_text=False) as index:
        index.apply(RECORDS)
        assert index.queries.count(EVERYTHING, TraceFilter(text="answer")).count == 0
        assert index.queries.count(EVERYTHING, TraceFilter()).count == 2


def test_a_query_does_not_see_half_a_transaction_nor_wait_for_it(tmp_path: Path) -> None:
    with Index.open(tmp_path / "index.db") as index:
        index.apply(RECORDS[:1])

        def question(db: sqlite3.Connection) -> tuple[int, int]:
            count = "SELECT count(*) FROM trace"
            first = db.execute(count).fetchone()[0]
            index.apply(RECORDS)
            return first, db.execute(count).fetchone()[0]

        assert index.read(question) == (1, 1)
        assert index.queries.count(EVERYTHING, TraceFilter()).count == 2


def endless(db: sqlite3.Connection) -> None:
    db.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    ).fetchone()


def test_a_query_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with Index.open(tmp_path / "index.db", deadline_s=0.05) as index:
        with pytest.raises(Unavailable, match="Narrow it"):
            index.read(endless)
        assert index.queries.count(EVERYTHING, TraceFilter()).count == 0


def test_no_more_questions_than_readers_are_answered_at_once(tmp_path: Path) -> None:
    with Index.open(tmp_path / "index.db", deadline_s=0.05, readers=1) as index:
        entered, leave = threading.Event(), threading.Event()

        def hold(_db: sqlite3.Connection) -> None:
            entered.set()
            leave.wait(5)

        thread = threading.Thread(target=index.read, args=(hold,))
        thread.start()
        entered.wait(5)
        with pytest.raises(Unavailable, match="Too many"):
            index.queries.projects(EVERYTHING)
        leave.set()
        thread.join(5)


def test_who_reads_cannot_write(tmp_path: Path) -> None:
    with (
        Index.open(tmp_path / "index.db") as index,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        index.read(lambda db: db.execute("DELETE FROM trace"))


def test_a_deadline_is_counted_by_the_clock_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with Index.open(path):
        now = iter([0.0] + [100.0] * 1_000)
        readers = Readers(path, 1, 10.0, clock=lambda: next(now))
        with pytest.raises(Unavailable), readers.borrowed() as db:
            endless(db)
        readers.close()
