import sqlite3
from pathlib import Path

import pytest
from tests.index.contents import contents_of
from tests.index.spans import (
    T0_US,
    annotations_record,
    deletion_record,
    made,
    span_hex,
    spans_record,
    trace_hex,
)

from roost.errors import NotFound
from roost.index.filters import TraceFilter
from roost.index.home import Index
from roost.index.rows import Change
from roost.index.viewer import EVERYTHING
from roost.log.records import Annotation, Deletion


def shown(index: Index) -> list[str]:
    return sorted(row.trace_id for row in index.queries.traces(EVERYTHING, TraceFilter()).rows)


def test_a_deleted_trace_does_not_come_back(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10), made(2, 20))])
    gone = index.apply([deletion_record(2, Deletion(traces=(trace_hex(1),)))])
    assert [one.change for one in gone.changes] == [Change.REMOVE]
    late = index.apply([spans_record(3, made(1, 10), made(1, 11))])
    assert (late.spans, late.changes) == (0, ())
    assert shown(index) == [trace_hex(2)]


def test_a_deletion_may_come_before_what_it_deletes(index: Index) -> None:
    index.apply([deletion_record(1, Deletion(traces=(trace_hex(1),), spans=(span_hex(20),)))])
    index.apply([spans_record(2, made(1, 10), made(2, 20), made(2, 21))])
    assert shown(index) == [trace_hex(2)]
    assert index.queries.trace(EVERYTHING, trace_hex(2)).spans == 1


def test_a_trace_without_its_root_shows_the_next_best_span(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, name="root"), made(1, 11, parent=10, name="step"))])
    index.apply([deletion_record(2, Deletion(spans=(span_hex(10),)))])
    row = index.queries.trace(EVERYTHING, trace_hex(1))
    assert (row.name, row.spans, row.has_root, row.input) == ("step", 1, False, "")


def test_a_trace_goes_with_its_last_span_and_may_be_made_anew(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10))])
    index.apply([deletion_record(2, Deletion(spans=(span_hex(10),)))])
    assert shown(index) == []
    index.apply([spans_record(3, made(1, 10), made(1, 11))])
    assert index.queries.trace(EVERYTHING, trace_hex(1)).spans == 1


def test_a_project_goes_with_what_it_holds_and_is_made_anew(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10), made(2, 20, project="other"))])
    index.apply([deletion_record(2, Deletion(project="default"))])
    assert [one.name for one in index.queries.projects(EVERYTHING)] == ["other"]
    index.apply([spans_record(3, made(1, 10), made(3, 30))])
    assert shown(index) == [trace_hex(2), trace_hex(3)]


def test_a_project_may_lose_only_what_is_old(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10), made(2, 20, start=10_000_000))])
    index.apply([deletion_record(2, Deletion(project="default", before=T0_US / 1e6 + 5))])
    assert shown(index) == [trace_hex(2)]


def test_a_session_goes_with_its_traces(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, session="s1"), made(2, 20, session="s2"))])
    index.apply([deletion_record(2, Deletion(sessions=("s1", "unheard of")))])
    assert shown(index) == [trace_hex(2)]
    with pytest.raises(NotFound):
        index.queries.session(EVERYTHING, "s1")


def test_a_session_shrinks_to_the_traces_that_are_left(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, session="s"), made(2, 20, session="s", start=9_000))])
    index.apply([deletion_record(2, Deletion(traces=(trace_hex(1),)))])
    row = index.queries.session(EVERYTHING, "s")
    assert (row.traces, row.start_us) == (1, T0_US + 9_000)


def test_what_was_said_of_the_deleted_goes_too(index: Index) -> None:
    marks = (
        Annotation("trace", trace_hex(1), "good"),
        Annotation("span", span_hex(10), "good"),
        Annotation("session", "s1", "good"),
    )
    index.apply([spans_record(1, made(1, 10, session="s1")), annotations_record(2, *marks)])
    index.apply([deletion_record(3, Deletion(sessions=("s1",)))])
    index.apply([annotations_record(4, marks[0])])
    assert contents_of(index).tables["annotations"] == []


def test_ids_that_are_no_ids_delete_nothing(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10))])
    index.apply([deletion_record(2, Deletion(traces=("x", ""), spans=("abc", "00")))])
    assert shown(index) == [trace_hex(1)]


def test_nothing_of_the_deleted_is_left_in_the_file(tmp_path: Path) -> None:
    """Tombstones are all that may be: they are ids."""
    path = tmp_path / "index.db"
    with Index.open(path) as index:
        secret = "xylophone"
        spans = [
            made(at, at * 10, name=f"{secret}name", input=f"{secret}input", user=f"{secret}user")
            for at in range(1, 40)
        ]
        index.apply([spans_record(1, *spans, made(99, 990, input="harmless"))])
        index.apply(
            [deletion_record(2, Deletion(traces=tuple(trace_hex(at) for at in range(1, 40))))]
        )
        index.sweep()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    left = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert b"harmless" in left
    assert secret.encode() not in left
