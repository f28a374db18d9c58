"""A trace that changes its project in the cell."""

from pathlib import Path

from tests.index.amended import call, contents, index_of, span, spans_record

from roost.index.moves import move, move_session, sessions_after
from roost.index.rows import Change

ONE, TWO = (1).to_bytes(16), (2).to_bytes(16)
SPANS = (
    span(1, 1, user__id="ann"),
    call(1, 2, parent=1, user="ann", session="chat"),
    span(1, 3, parent=1, failed=True),
)


def test_everything_that_counts_by_project_goes_along(tmp_path: Path) -> None:
    other = span(2, 9)
    moved = index_of(
        tmp_path / "moved.db", [spans_record(1, *SPANS), spans_record(2, other, project="q")]
    )
    born = index_of(
        tmp_path / "born.db",
        [spans_record(1, *SPANS, project="q"), spans_record(2, other, project="q")],
    )
    with moved, born:
        moved.amend(lambda hand: move(hand, ONE, "q"))
        assert contents(moved) == contents(born)


def test_a_session_stays_where_it_began_until_it_is_moved_itself(tmp_path: Path) -> None:
    with index_of(tmp_path / "index.db", [spans_record(1, *SPANS)]) as index:
        index.amend(lambda hand: move(hand, ONE, "q"))
        (place,) = index.read(lambda db: sessions_after(db, 0, 9))
        assert (place.session, place.project) == ("chat", "p")
        index.amend(lambda hand: move_session(hand, place.word, "q"))
        (place,) = index.read(lambda db: sessions_after(db, 0, 9))
        assert place.project == "q"
        assert index.read(lambda db: sessions_after(db, place.word, 9)) == []


def test_watchers_see_it_go_and_come(tmp_path: Path) -> None:
    with index_of(tmp_path / "index.db", [spans_record(1, *SPANS)]) as index:
        said = index.amend(lambda hand: move(hand, ONE, "q"))
        changes = [(one.project, one.change) for one in said.changes]
        assert changes == [("p", Change.REMOVE), ("q", Change.UPSERT)]


def test_what_is_there_already_or_not_at_all_is_left_alone(tmp_path: Path) -> None:
    with index_of(tmp_path / "index.db", [spans_record(1, *SPANS)]) as index:
        before = contents(index)
        said = index.amend(lambda hand: [move(hand, ONE, "p"), move(hand, TWO, "q")])
        assert said.changes == ()
        assert contents(index) == before


def test_spans_that_come_later_follow_the_trace(tmp_path: Path) -> None:
    with index_of(tmp_path / "index.db", [spans_record(1, *SPANS)]) as index:
        index.amend(lambda hand: move(hand, ONE, "q"))
        index.apply([spans_record(2, call(1, 4, parent=1))])
        assert contents(index)["project"] == [("q", 1)]
        assert len(contents(index)["span"]) == 4
