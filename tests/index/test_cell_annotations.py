"""Annotations that the cell has and the log has not, and the other way round."""

from pathlib import Path

from tests.index.amended import annotations_record, contents, index_of, span, spans_record

from roost.index.cell_annotations import (
    AnnotationKey,
    CellAnnotation,
    annotation_keys,
    put_annotations,
    remove_annotations,
)
from roost.index.home import Index
from roost.log.records import Annotation

SPAN = (1).to_bytes(8).hex()
LATER_US = 10_000_000
NOBODY = AnnotationKey("", "", "", "")


def index(tmp_path: Path, *annotations: Annotation) -> Index:
    records = [spans_record(1, span(1, 1)), annotations_record(2, *annotations)]
    return index_of(tmp_path / "index.db", records)


def good(label: str = "good", by: str = "Ann") -> Annotation:
    return Annotation("span", SPAN, "quality", label=label, subject_name=by)


def told(one: Index) -> list[tuple[object, ...]]:
    """Target, name, label and author of each."""
    return [(row[1], row[2], row[6], row[9]) for row in contents(one)["annotation"]]


def test_one_that_only_the_cell_has_is_written(tmp_path: Path) -> None:
    with index(tmp_path) as one:
        said = one.amend(lambda hand: put_annotations(hand, [CellAnnotation(good(), LATER_US)]))
        assert told(one) == [(SPAN, "quality", "good", "Ann")]
        assert [change.trace_id for change in said.changes] == [(1).to_bytes(16).hex()]


def test_what_says_the_same_keeps_the_author_that_the_log_knows(tmp_path: Path) -> None:
    with index(tmp_path, good()) as one:
        found = CellAnnotation(good(by="Ann (admin)"), LATER_US)
        said = one.amend(lambda hand: put_annotations(hand, [found]))
        assert told(one) == [(SPAN, "quality", "good", "Ann")]
        assert said.changes == ()


def test_what_was_changed_in_the_cell_later_wins(tmp_path: Path) -> None:
    with index(tmp_path, good()) as one:
        found = CellAnnotation(good("bad", "Bob"), LATER_US)
        one.amend(lambda hand: put_annotations(hand, [found]))
        assert told(one) == [(SPAN, "quality", "bad", "Bob")]


def test_what_the_log_said_later_stays(tmp_path: Path) -> None:
    with index(tmp_path, good("newest")) as one:
        found = CellAnnotation(good("old"), 0)
        one.amend(lambda hand: put_annotations(hand, [found]))
        assert told(one) == [(SPAN, "quality", "newest", "Ann")]


def test_one_that_the_cell_has_no_more_goes(tmp_path: Path) -> None:
    with index(tmp_path, good()) as one:
        said = one.amend(
            lambda hand: remove_annotations(hand, [AnnotationKey("span", SPAN, "quality", "")])
        )
        assert told(one) == []
        assert len(said.changes) == 1


def test_the_walk_passes_all_and_tells_which_the_cell_should_have(tmp_path: Path) -> None:
    lost = Annotation("span", "ab" * 8, "quality")
    session = Annotation("session", "chat", "mood")
    with index(tmp_path, good(), lost, session) as one:
        found = one.read(lambda db: annotation_keys(db, NOBODY, LATER_US, 10))
        assert [(key.of, key.target, there) for key, there in found] == [
            ("session", "chat", True),
            ("span", SPAN, True),
            ("span", "ab" * 8, False),
        ]
        rest = one.read(lambda db: annotation_keys(db, found[0][0], LATER_US, 1))
        assert [key.target for key, _ in rest] == [SPAN]
        early = one.read(lambda db: annotation_keys(db, NOBODY, 1, 10))
        assert not any(there for _, there in early)
