"""How far a backfill is, kept in a file."""

import json
from pathlib import Path

import pytest

from roost.errors import BadRequest, Unavailable
from roost.ingest.backfill import Place, Reject
from roost.ingest.backfill_state import RejectsFile, alone, open_state, state_path

SOURCE = "phoenix of 2026-01-01"
PLACE = Place(after=7, until=3, top=9, anchor="ab" * 8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    where = state_path(tmp_path, SOURCE)
    with alone(where):
        return where


def test_a_place_is_there_the_next_time(path: Path) -> None:
    open_state(path, SOURCE, dry=False).keep("chat", "all", PLACE)
    again = open_state(path, SOURCE, dry=False)
    assert again.of("chat", "all") == PLACE
    assert again.of("chat", "another wish") == Place()
    assert again.of("docs", "all") == Place()


def test_another_phoenix_has_another_file(tmp_path: Path) -> None:
    assert state_path(tmp_path, SOURCE) != state_path(tmp_path, "phoenix of 2026-02-02")


def test_a_file_of_another_phoenix_is_refused(path: Path) -> None:
    open_state(path, "phoenix of 2026-02-02", dry=False).keep("chat", "all", PLACE)
    with pytest.raises(BadRequest, match="another Phoenix"):
        open_state(path, SOURCE, dry=False)


def test_a_damaged_file_is_refused(path: Path) -> None:
    path.write_text("{")
    with pytest.raises(BadRequest, match="delete it"):
        open_state(path, SOURCE, dry=False)


def test_a_dry_run_remembers_and_keeps_nothing(path: Path) -> None:
    state = open_state(path, SOURCE, dry=True)
    state.keep("chat", "all", PLACE)
    assert state.of("chat", "all") == PLACE
    assert not path.exists()


def test_a_half_written_state_is_not_taken_for_one(path: Path) -> None:
    open_state(path, SOURCE, dry=False).keep("chat", "all", PLACE)
    path.with_suffix(".draft").write_text('{"sour')
    assert open_state(path, SOURCE, dry=False).of("chat", "all") == PLACE


def test_one_run_at_a_time(path: Path) -> None:
    with alone(path), pytest.raises(Unavailable, match="Another backfill"), alone(path):
        pass
    with alone(path):
        pass


def test_rejects_are_lines_of_json_behind_the_earlier_ones(path: Path) -> None:
    where = path.with_suffix(".rejects.jsonl")
    for reason in ("odd", "old"):
        rejects = RejectsFile(where)
        rejects.add(Reject("chat", "t", "s", reason))
        rejects.close()
    lines = [json.loads(line) for line in where.read_text().splitlines()]
    assert [line["reason"] for line in lines] == ["odd", "old"]


def test_without_rejects_there_is_no_file(path: Path) -> None:
    where = path.with_suffix(".rejects.jsonl")
    RejectsFile(where).close()
    assert not where.exists()
