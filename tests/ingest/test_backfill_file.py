"""A Phoenix's SQLite file, read by a backfill."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from tests.cells.phoenix_file import PhoenixFile

from roost.cells.ledger_file import reading
from roost.cells.ledger_spans import SqliteSpans
from roost.ingest.backfill import Place, Project
from roost.ingest.backfill_file import ODD_IDS, UNREADABLE, FilePhoenix

T1, T2 = "a1" * 16, "a2" * 16
S1, S2, S3 = "b1" * 8, "b2" * 8, "b3" * 8


@pytest.fixture
def file(tmp_path: Path) -> PhoenixFile:
    return PhoenixFile(tmp_path / "phoenix.db").make()


def source(file: PhoenixFile, since: datetime | None = None, slice_spans: int = 2) -> FilePhoenix:
    bodies = SqliteSpans(file.path).spans
    return FilePhoenix(partial(reading, file.path), bodies, since, slice_spans)


async def project(phoenix: FilePhoenix, name: str) -> Project:
    return next(one for one in await phoenix.projects() if one.name == name)


async def test_projects_are_counted(file: PhoenixFile) -> None:
    file.span(T1, S1, project="chat")
    file.span(T1, S2, project="chat")
    found = await source(file).projects()
    assert [(one.name, one.spans) for one in found] == [("default", 0), ("chat", 2)]


async def test_projects_of_experiments_are_left_out(file: PhoenixFile) -> None:
    file.span(T1, S1, project="Experiment-1")
    file.run("CREATE TABLE experiments (project_name TEXT)")
    file.run("INSERT INTO experiments VALUES ('Experiment-1')")
    assert [one.name for one in await source(file).projects()] == ["default"]


async def test_a_project_is_read_row_by_row_and_from_where_it_was(file: PhoenixFile) -> None:
    file.span(T1, S1, {"user": {"id": "ann"}}, project="chat")
    file.span(T2, "cc" * 8, project="docs")
    file.span(T1, S2, project="chat")
    file.span(T1, S3, project="chat")
    phoenix = source(file)
    chat = await project(phoenix, "chat")
    first = await phoenix.slice(chat, Place())
    assert [one.span_id.hex() for one in first.spans] == [S1, S2]
    assert (first.place, first.over) == (Place(after=3, anchor=S2), False)
    second = await phoenix.slice(chat, first.place)
    assert ([one.span_id.hex() for one in second.spans], second.over) == ([S3], True)
    assert await phoenix.holds(chat, second.place)
    assert not await phoenix.holds(chat, Place(after=3, anchor=S1))


async def test_a_place_stays_where_there_is_nothing_new(file: PhoenixFile) -> None:
    file.span(T1, S1)
    phoenix = source(file)
    place = Place(after=1, anchor=S1)
    read = await phoenix.slice(await project(phoenix, "default"), place)
    assert (read.place, read.over, list(read.spans)) == (place, True, [])


async def test_only_spans_from_then_on_are_read(file: PhoenixFile) -> None:
    file.span(T1, S1)
    file.span(T1, S2)
    file.run("UPDATE spans SET start_time = '2026-12-01 00:00:00.000000' WHERE id = 2")
    phoenix = source(file, datetime(2026, 12, 1, tzinfo=UTC))
    default = await project(phoenix, "default")
    assert default.spans == 1
    assert [one.span_id.hex() for one in (await phoenix.slice(default, Place())).spans] == [S2]


async def test_what_cannot_be_read_is_told_with_its_reason(file: PhoenixFile) -> None:
    file.span("my-trace", "my-span")
    file.span(T1, S1)
    file.span(T1, S2)
    file.run("UPDATE spans SET attributes = '{' WHERE id = 2")
    phoenix = source(file, slice_spans=9)
    read = await phoenix.slice(await project(phoenix, "default"), Place())
    assert [one.span_id.hex() for one in read.spans] == [S2]
    said: Mapping[str, str] = {one.span_id: one.reason for one in read.rejects}
    assert said == {"my-span": ODD_IDS, S1: UNREADABLE}


async def test_annotations_keep_their_metadata_and_show_their_author(file: PhoenixFile) -> None:
    file.span(T1, S1)
    ann = file.user("Ann", "a" * 64)
    file.annotate("span", S1, "good", user=ann, metadata={"k": "v", "roost.subject": "bob"})
    file.annotate("trace", T1, "long", name="note")
    phoenix = source(file)
    default = await project(phoenix, "default")
    (on_span,) = await phoenix.annotations(default, "span", [S1, S2])
    (on_trace,) = await phoenix.annotations(default, "trace", [T1])
    assert (on_span.label, on_span.subject, on_span.subject_name) == ("good", "", "Ann")
    assert on_span.metadata == {"k": "v", "roost.subject": "", "roost.subject_name": "Ann"}
    assert (on_trace.of, on_trace.target, on_trace.name) == ("trace", T1, "imported-note")


async def test_a_session_is_annotated_in_its_own_project_alone(file: PhoenixFile) -> None:
    file.session("s")
    file.annotate("session", "s", "fine")
    file.project("chat")
    phoenix = source(file)
    default, chat = await project(phoenix, "default"), await project(phoenix, "chat")
    assert [one.label for one in await phoenix.annotations(default, "session", ["s"])] == ["fine"]
    assert await phoenix.annotations(chat, "session", ["s"]) == []


async def test_what_metadata_says_of_roosts_own_is_dropped_without_an_author_too(
    file: PhoenixFile,
) -> None:
    file.span(T1, S1)
    file.annotate("span", S1, "good", metadata={"k": "v", "roost.subject": "bob"})
    phoenix = source(file)
    (said,) = await phoenix.annotations(await project(phoenix, "default"), "span", [S1])
    assert said.metadata == {"k": "v"}
