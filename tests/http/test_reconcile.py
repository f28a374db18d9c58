"""What happens in Phoenix behind the log reaches the index, and what does not happen, does not."""

from pathlib import Path

from tests.http.reconcile_world import World, world
from tests.index.amended import span

from roost.http.reconcile_traces import SURE_AFTER_S
from roost.index import places
from roost.index.home import erase
from roost.index.moves import sessions_after
from roost.log.base import Position
from roost.log.records import Annotation, Deletion
from roost.policy.forwarding import parse_policy

PLAYED = "f1" * 16
PLAYED_SPAN = "f2" * 8


def hexes(trace: int, number: int = 0) -> tuple[str, str]:
    return trace.to_bytes(16).hex(), number.to_bytes(8).hex()


async def looks(one: World) -> None:
    """Twice, long enough apart to be sure."""
    await one.look()
    await one.look(later_s=SURE_AFTER_S + 1)
    await one.look()


async def test_spans_that_the_cell_made_enter_the_index(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1))
        one.file.span(PLAYED, PLAYED_SPAN, {"user": {"id": "ann"}}, project="playground")
        assert await one.look()
        found = (await one.traces())["f1"]
        assert (found.project, found.user, found.spans) == ("playground", "ann", 1)
        assert [change.trace_id for change in one.told[-1].changes] == [PLAYED]


async def test_what_the_log_brings_is_the_logs(tmp_path: Path) -> None:
    """Its place is known, so that its body is read from there."""
    async with world(tmp_path) as one:
        await one.take(span(1, 1))
        await one.look()
        end = Position(9)
        found = await one.home.index.read(lambda db: places.earlier(db, (1).to_bytes(16), end))
        assert found == [(1, 0)]


async def test_a_span_is_taken_once(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        one.file.span(PLAYED, PLAYED_SPAN)
        await one.look()
        told = len(one.told)
        await one.look()
        assert len(one.told) == told


async def test_rows_that_are_given_again_are_found(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        one.file.span(PLAYED, PLAYED_SPAN)
        await one.look()
        one.file.run("DELETE FROM traces")
        one.file.span("f3" * 16, "f4" * 8)
        await one.look()
        assert "f3" in await one.traces()


async def test_a_span_of_a_trace_that_was_deleted_stays_away(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1))
        trace, _ = hexes(1)
        one.cell.delete = nothing  # type: ignore[method-assign, assignment]
        await one.home.delete(Deletion(traces=(trace,)))
        await one.settled()
        one.file.span(trace, PLAYED_SPAN)
        await one.look()
        assert await one.traces() == {}


async def test_a_cell_that_sleeps_is_left_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        one.file.span(PLAYED, PLAYED_SPAN)
        one.awake = False
        assert not await one.look()
        assert await one.traces() == {}


async def test_annotations_made_in_phoenix_come_change_and_go(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1))
        _, number = hexes(1, 1)
        ann = one.file.user("Ann (admin)", "a" * 64)
        row = one.file.annotate("span", number, "good", user=ann)
        one.file.annotate("span", number, "a remark", name="note", identifier="px-span-note:1")
        await one.look()
        assert await one.labels() == {"quality": "good", "note": "a remark"}
        one.file.run(
            "UPDATE span_annotations SET label = 'bad', updated_at = '2026-11-26 10:09:00'"
            " WHERE id = ?",
            row,
        )
        await one.look()
        assert await one.labels() == {"quality": "bad", "note": "a remark"}
        one.file.run("DELETE FROM span_annotations WHERE id = ?", row)
        await one.look()
        assert await one.labels() == {"note": "a remark"}


async def test_an_annotation_of_the_log_that_phoenix_lost_goes(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1))
        _, number = hexes(1, 1)
        await one.annotate(Annotation("span", number, "quality", label="good"))
        await one.look()
        assert await one.labels() == {"quality": "good"}
        one.file.run("DELETE FROM span_annotations")
        await one.look()
        assert await one.labels() == {}


async def test_an_annotation_that_waits_for_its_target_is_not_lost(tmp_path: Path) -> None:
    """The span was kept from Phoenix, so Phoenix has never heard of the annotation."""
    async with world(tmp_path, {"*": parse_policy("errors")}) as one:
        await one.take(span(1, 1))
        _, number = hexes(1, 1)
        await one.annotate(Annotation("span", number, "quality", label="good"))
        await one.look()
        assert await one.labels() == {"quality": "good"}


async def test_a_trace_that_was_deleted_in_phoenix_is_deleted_by_the_log(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1), span(2, 2))
        await one.look()
        one.file.run("DELETE FROM traces WHERE trace_id = ?", hexes(1)[0])
        await one.look()
        assert len(await one.traces()) == 2
        await one.look(later_s=SURE_AFTER_S - 1)
        assert len(await one.traces()) == 2
        await one.look(later_s=2)
        assert list(await one.traces()) == ["02"]
        assert len(await one.deletions()) == 1
        await looks(one)
        assert len(await one.deletions()) == 1


async def test_a_trace_that_came_back_meanwhile_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1))
        await one.look()
        one.file.run("DELETE FROM traces")
        await one.look()
        one.file.span(*hexes(1, 1), project="p")
        await looks(one)
        assert await one.deletions() == []


async def test_a_trace_that_was_kept_from_phoenix_was_not_deleted(tmp_path: Path) -> None:
    async with world(tmp_path, {"*": parse_policy("errors")}) as one:
        await one.take(span(1, 1), span(2, 2, failed=True))
        await looks(one)
        assert len(await one.traces()) == 2
        one.file.run("DELETE FROM traces")
        await looks(one)
        assert list(await one.traces()) == ["01"]


async def test_a_trace_that_was_kept_by_an_earlier_policy_was_not_deleted(tmp_path: Path) -> None:
    async with world(tmp_path, {"*": parse_policy("errors")}) as one:
        await one.take(span(1, 1))
    async with world(tmp_path) as one:
        await one.take(span(2, 2))
        await looks(one)
        assert len(await one.traces()) == 2
        assert await one.deletions() == []


async def test_a_parked_trace_was_not_deleted(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        one.cell.refuses = {(1).to_bytes(8)}
        await one.take(span(1, 1))
        assert await one.home.progress.parked_count() == 1
        await looks(one)
        assert await one.deletions() == []


async def test_another_database_in_its_place_deletes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1))
        await one.look()
        one.file.path.unlink()
        for ending in ("-wal", "-shm"):
            one.file.path.with_name(one.file.path.name + ending).unlink(missing_ok=True)
        one.file.make()
        one.file.run("UPDATE users SET created_at = '2026-11-27 10:00:00'")
        await looks(one)
        assert await one.deletions() == []
        assert "roost ingest rebuild acme" in (await one.home.row()).fault


async def test_another_database_that_was_accepted_is_read_and_still_deletes_nothing(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1))
        await one.look()
        one.file.run("UPDATE users SET created_at = '2026-11-27 10:00:00'")
        one.file.run("DELETE FROM traces")
        await looks(one)
        await one.reconciler.accept()
        one.file.span(PLAYED, PLAYED_SPAN)
        await looks(one)
        assert (await one.home.row()).fault == ""
        assert sorted(await one.traces()) == ["01", "f1"]
        await one.take(span(3, 3))
        one.file.run("DELETE FROM traces WHERE trace_id = ?", hexes(3)[0])
        await looks(one)
        assert sorted(await one.traces()) == ["01", "f1"]


async def test_a_trace_that_was_moved_moves_in_the_index(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1), span(2, 2))
        other = one.file.project("other")
        one.file.run("UPDATE traces SET project_rowid = ? WHERE trace_id = ?", other, hexes(1)[0])
        await one.look()
        assert {key: row.project for key, row in (await one.traces()).items()} == {
            "01": "other",
            "02": "p",
        }
        assert {change.project for change in one.told[-1].changes} == {"p", "other"}


async def test_a_session_stands_where_it_began_in_phoenix(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.take(span(1, 1, session__id="chat"), project="second")
        one.file.session("chat")
        await one.look()
        found = await one.home.index.read(lambda db: sessions_after(db, 0, 9))
        assert [(place.session, place.project) for place in found] == [("chat", "default")]
        assert (await one.traces())["01"].project == "second"


async def test_an_index_that_is_built_anew_takes_from_the_cell_what_the_log_has_let_go(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, segment_bytes=8 * 1024) as one:
        for number in range(1, 60):
            await one.take(span(number, number, input__value=str(number) * 200), settle=False)
        await one.settled()
        one.file.span(PLAYED, PLAYED_SPAN, project="playground")
        await one.look()
        before = await one.traces()
        await one.home.log.trim(Position(50))
        first = one.home.log.extent.first
        assert 1 < first <= 50
    erase(tmp_path / "t-acme-1" / "index.db")
    async with world(tmp_path, segment_bytes=8 * 1024) as one:
        await one.home.index.reached(one.home.log.extent.last)
        assert len(await one.traces()) < 60
        assert await one.look()
        after = await one.traces()
        assert sorted(after) == sorted(before)
        assert after["f1"].project == "playground"


async def nothing(_: object) -> None:
    return None
