"""From the log into a cell that does as it is told, over a real log and a real database."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from tests.cells.cellar import until
from tests.ingest.cell_of_faults import CellOfFaults

from roost.ingest.drain import KILLS, NOT_STORED, OTHER_TRACE, Pace
from roost.ingest.forward import Forward
from roost.ingest.selection import Selector, Traces
from roost.log.base import Entry, Kind, Position
from roost.log.records import PROJECT_ATTRIBUTE, Annotation, Deletion, encoded
from roost.log.segments import SegmentLog
from roost.policy.forwarding import ForwardPolicy, parse_policy
from roost.storage.engine import sqlite_url
from roost.storage.progress import Progress, home_database

QUICK = Pace(
    poll_s=0.001, overtaken_s=0.02, stalled_s=0.05, busy_s=0.001, busy_tries=4, unconfirmed_max=50
)
PATIENCE_S = 20.0


def batch(
    *names: str, trace: int = 1, project: str = "p", failed: bool = False, first: int = 0
) -> bytes:
    """A record's body: spans of one trace, named and numbered; the same name is the same span."""
    code = Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET
    spans = [
        Span(
            trace_id=trace.to_bytes(16),
            span_id=(hash_of(name) + first).to_bytes(8),
            name=name,
            start_time_unix_nano=10**18,
            status=Status(code=code),
        )
        for name in names
    ]
    attribute = KeyValue(key=PROJECT_ATTRIBUTE, value=AnyValue(string_value=project))
    group = ResourceSpans(
        resource=Resource(attributes=[attribute]), scope_spans=[ScopeSpans(spans=spans)]
    )
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


def hash_of(name: str) -> int:
    return int.from_bytes(name.encode()[-7:].rjust(7, b"\0")) + 1


@dataclass
class Home:
    log: SegmentLog
    progress: Progress
    cell: CellOfFaults
    forward: Forward

    async def take(self, *bodies: bytes, kind: Kind = Kind.SPANS) -> Position:
        return await self.log.append([Entry(kind, body) for body in bodies])

    async def settled(self) -> None:
        """Everything that the log holds now is settled."""
        async with asyncio.timeout(PATIENCE_S):
            await self.forward.settled(self.log.extent.last)

    async def passes(self, seconds: float) -> None:
        """By forward's own clock."""
        end = self.forward.clock() + seconds
        await until(lambda: self.forward.clock() >= end, f"{seconds} s went by")

    async def parked(self) -> dict[str, str]:
        """Reasons by span id in hex."""
        rows = await self.progress.parked()
        return {row.parking.span_id.hex(): row.parking.reason for row in rows}


@dataclass
class Known:
    """What an index would know."""

    failed: set[bytes]
    places: dict[bytes, list[tuple[Position, int]]]


@asynccontextmanager
async def opened(
    path: Path, cell: CellOfFaults, policies: dict[str, ForwardPolicy], known: Known
) -> AsyncIterator[Home]:
    loop = asyncio.get_running_loop()
    records = await SegmentLog.open(path / "log")
    async with home_database(sqlite_url(path / "app.db")) as engine:
        progress = Progress(engine, loop.time)

        async def has_error(ids: object, position: Position) -> set[bytes]:
            return known.failed

        async def earlier(trace_id: bytes, position: Position) -> list[tuple[Position, int]]:
            return known.places.get(trace_id, [])

        traces = Traces(has_error, earlier, records.get)
        selector = Selector(progress.buried, progress.emptied, policies, traces)
        forward = Forward(records, progress, cell.connect, selector.select, loop.time, QUICK)
        running = asyncio.create_task(forward.run())
        try:
            yield Home(records, progress, cell, forward)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await records.aclose()


@pytest.fixture
def cell() -> CellOfFaults:
    return CellOfFaults()


@pytest.fixture
def known() -> Known:
    return Known(set(), {})


@pytest.fixture
async def home(tmp_path: Path, cell: CellOfFaults, known: Known) -> AsyncIterator[Home]:
    policies = {
        "sampled": parse_policy("sample:0"),
        "failing": parse_policy("errors"),
    }
    async with opened(tmp_path, cell, policies, known) as one:
        yield one


async def test_what_is_taken_is_stored_in_order(home: Home) -> None:
    await home.take(batch("a", "b"), batch("c"))
    await home.take(batch("d", trace=2))
    await home.settled()
    assert home.cell.names == ["a", "b", "c", "d"]
    assert (await home.progress.settled()).confirmed == 4


async def test_no_more_than_the_pace_allows_is_in_the_cell_s_memory(home: Home) -> None:
    home.cell.a_look = 7
    # What is sent again is there twice.
    home.forward.pace = replace(QUICK, overtaken_s=PATIENCE_S, stalled_s=PATIENCE_S)
    await home.take(*(batch(*(f"{n}-{i}" for i in range(20)), trace=n + 1) for n in range(20)))
    await home.settled()
    assert len(home.cell.names) == 400
    assert home.cell.most_waiting <= QUICK.unconfirmed_max


async def test_the_cursor_waits_for_what_is_only_in_memory(home: Home) -> None:
    home.cell.a_look = 0
    await home.take(batch("a"))
    await until(lambda: bool(home.cell.accepted), "it was accepted")
    assert await home.progress.cursor() == 0
    home.cell.a_look = 100
    await home.settled()


async def test_what_a_killed_cell_had_in_memory_is_sent_again(home: Home) -> None:
    looks = 0

    def kill_once() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            home.cell.kill()

    home.cell.a_look, home.cell.on_look = 3, kill_once
    await home.take(batch(*"abcdefghij"))
    await home.settled()
    assert sorted(home.cell.names) == sorted("abcdefghij")
    assert home.cell.connections == 2
    assert await home.parked() == {}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_cell_is_asked_again(home: Home, status: int) -> None:
    home.cell.statuses = [status, status]
    await home.take(batch("a"), batch("b"))
    await home.settled()
    assert home.cell.names == ["a", "b"]


async def test_a_cell_that_stays_busy_loses_nothing(home: Home) -> None:
    home.cell.statuses = [503] * (3 * QUICK.busy_tries)
    await home.take(batch("a"))
    await home.settled()
    assert (home.cell.names, await home.parked()) == (["a"], {})


async def test_a_cell_that_is_down_is_waited_for(home: Home) -> None:
    home.cell.is_down = True
    await home.take(batch("a"))
    await until(lambda: bool(home.forward.fault), "the fault was told")
    assert home.forward.fault == "down"
    home.cell.is_down = False
    await home.settled()
    assert home.cell.names == ["a"]


async def test_the_fault_is_forgotten_once_it_goes_on(home: Home) -> None:
    home.cell.is_down = True
    await home.take(batch("a"))
    await until(lambda: bool(home.forward.fault), "the fault was told")
    home.cell.is_down, home.cell.swallows = False, {"b"}
    home.forward.pace = replace(QUICK, stalled_s=PATIENCE_S)
    await home.take(batch("b"))
    await until(lambda: home.forward.unconfirmed == 1, "the second one was sent")
    async with asyncio.timeout(PATIENCE_S):
        await home.forward.settled(Position(1))
    assert home.forward.fault == ""


async def test_one_span_that_is_refused_is_parked_and_the_others_go_on(home: Home) -> None:
    home.cell.refuses = {"d"}
    await home.take(batch(*"abcdefg"), batch("h"))
    await home.settled()
    assert sorted(home.cell.names) == sorted("abcefgh")
    assert await home.parked() == {hash_of("d").to_bytes(8).hex(): "Phoenix refused it with 400"}


async def test_one_span_that_is_never_stored_is_sent_again_and_parked(home: Home) -> None:
    home.cell.swallows = {"b"}
    await home.take(batch(*"abc"))
    await home.settled()
    assert sorted(home.cell.names) == ["a", "c"]
    assert await home.parked() == {hash_of("b").to_bytes(8).hex(): NOT_STORED}


async def test_a_span_that_is_stored_the_second_time_is_not_parked(home: Home) -> None:
    home.cell.swallows = {"b"}
    await home.take(batch(*"abc"))
    await until(lambda: home.cell.posts >= 2, "it was sent again")
    home.cell.swallows = ()
    await home.settled()
    assert (sorted(home.cell.names), await home.parked()) == (["a", "b", "c"], {})


async def test_a_copy_of_what_is_stored_makes_nobody_lose_patience(home: Home) -> None:
    old = [batch(f"{number}", trace=2) for number in range(100)]
    await home.take(*old)
    await home.settled()
    home.forward.pace = replace(QUICK, stalled_s=PATIENCE_S, unconfirmed_max=4)
    home.cell.a_look = 0
    await home.take(batch(*"abc"), *old)
    await home.passes(50 * QUICK.overtaken_s)
    home.cell.a_look = 1
    await home.settled()
    assert (home.cell.names[100:], await home.parked()) == ([*"abc"], {})


async def test_a_slow_cell_is_not_taken_for_one_that_stores_nothing(home: Home) -> None:
    home.forward.pace = replace(QUICK, poll_s=QUICK.stalled_s / 4)
    home.cell.a_look = 1
    await home.take(batch(*(f"{number}" for number in range(40))))
    await home.settled()
    assert len(home.cell.names) == 40
    assert (home.cell.posts, await home.parked()) == (1, {})


async def test_a_cell_that_stores_nothing_for_long_costs_one_span_at_most(home: Home) -> None:
    home.cell.a_look = 0
    await home.take(batch(*"abcdef"))
    await until(lambda: home.cell.posts > 3 * QUICK.tries, "they were sent again and again")
    home.cell.a_look = 100
    await home.settled()
    assert len(await home.parked()) <= 2
    assert set(home.cell.names) >= set("cdef")


async def test_sending_again_to_a_busy_cell_does_not_count(home: Home) -> None:
    home.cell.swallows = {"b"}
    await home.take(batch(*"abc"))
    await until(lambda: home.cell.posts == 1, "it was accepted")
    home.cell.statuses, home.cell.swallows = [503] * (2 * QUICK.tries), ()
    await home.settled()
    assert (sorted(home.cell.names), await home.parked()) == (["a", "b", "c"], {})


@pytest.mark.parametrize("status", [401, 403, 404, 405, 408])
async def test_an_answer_that_is_not_about_the_spans_parks_none(home: Home, status: int) -> None:
    home.cell.statuses = [status] * 3
    await home.take(batch("a", "b"))
    await until(lambda: str(status) in home.forward.fault, "the fault was told")
    await home.settled()
    assert (home.cell.names, await home.parked()) == (["a", "b"], {})


async def test_a_cell_that_is_busy_after_it_has_died_is_no_proof_against_a_span(home: Home) -> None:
    def die_twice() -> None:
        if home.cell.lives < QUICK.deaths:
            home.cell.kill()
            home.cell.statuses = [503] * (QUICK.busy_tries * (QUICK.tries + 1))

    home.cell.on_look = die_twice
    await home.take(batch("a"))
    await home.settled()
    assert (home.cell.names, await home.parked()) == (["a"], {})


async def test_a_span_that_ends_the_cell_is_found_and_parked(home: Home) -> None:
    home.cell.dies_of = {"d"}
    await home.take(batch(*"abcdef"), batch("g"))
    await home.settled()
    assert sorted(home.cell.names) == sorted("abcefg")
    assert await home.parked() == {hash_of("d").to_bytes(8).hex(): KILLS}


async def test_the_first_trace_keeps_an_id_and_the_second_is_told(home: Home) -> None:
    await home.take(batch("a", trace=1))
    await home.settled()
    await home.take(batch("a", trace=2))
    await home.settled()
    span_id = hash_of("a").to_bytes(8)
    assert home.cell.stored_spans[span_id] == (1).to_bytes(16)
    assert await home.parked() == {span_id.hex(): OTHER_TRACE}


async def test_two_traces_with_one_id_at_once_are_the_same(home: Home) -> None:
    await home.take(batch("a", trace=1), batch("a", trace=2))
    await home.settled()
    assert list(home.cell.stored_spans.values()) == [(1).to_bytes(16)]
    assert list((await home.parked()).values()) == [OTHER_TRACE]


async def test_a_copy_settles_with_its_first(home: Home) -> None:
    await home.take(batch("a"), batch("a"), batch("a"))
    await home.settled()
    assert (home.cell.names, await home.parked()) == (["a"], {})


async def test_a_deleted_trace_is_not_sent_and_never_comes_back(home: Home) -> None:
    home.cell.is_down = True
    await home.take(batch("a", trace=1), batch("b", trace=2))
    gone = Deletion(traces=((1).to_bytes(16).hex(),))
    position = await home.take(encoded(gone), kind=Kind.DELETION)
    await home.progress.bury([(1).to_bytes(16)], position)
    home.cell.is_down = False
    await home.take(batch("late", trace=1))
    await home.settled()
    assert home.cell.names == ["b"]
    assert (await home.progress.settled()).deleted == 2


async def test_a_deletion_waits_until_what_was_before_it_is_stored(home: Home) -> None:
    """A copy in Phoenix's memory would otherwise come after it."""
    home.cell.a_look = 0
    await home.take(batch("a", trace=1))
    gone = Deletion(traces=((1).to_bytes(16).hex(),))
    await home.take(encoded(gone), kind=Kind.DELETION)
    await until(lambda: bool(home.cell.accepted), "it was accepted")
    assert home.cell.deletions == []
    home.cell.a_look = 100
    await home.settled()
    assert home.cell.deletions == [gone]
    assert home.cell.stored_spans == {}


async def test_an_annotation_waits_for_its_span(home: Home) -> None:
    noted = Annotation(of="span", target=hash_of("late").to_bytes(8).hex(), name="good")
    await home.take(encoded([noted]), kind=Kind.ANNOTATIONS)
    await home.settled()
    assert home.cell.annotated == []
    assert await home.progress.waiting_count() == 1
    await home.take(batch("late"))
    await until(lambda: bool(home.cell.annotated), "it was written")
    assert home.cell.annotated == [noted]


async def test_what_the_policy_leaves_out_is_skipped_and_counted(home: Home) -> None:
    await home.take(batch("a", project="sampled"), batch("b"))
    await home.settled()
    assert home.cell.names == ["b"]
    assert (await home.progress.settled()).skipped == 1


async def test_a_trace_that_fails_later_brings_its_earlier_spans(home: Home, known: Known) -> None:
    trace = (5).to_bytes(16)
    first = await home.take(batch("early", trace=5, project="failing"))
    await home.settled()
    assert home.cell.names == []
    known.failed.add(trace)
    known.places[trace] = [(first, 0)]
    await home.take(batch("failed", trace=5, project="failing", failed=True))
    await home.settled()
    assert sorted(home.cell.names) == ["early", "failed"]


async def test_it_goes_on_where_it_was_when_it_is_opened_again(tmp_path: Path) -> None:
    cell, known = CellOfFaults(), Known(set(), {})
    async with opened(tmp_path, cell, {}, known) as home:
        await home.take(batch("a"))
        await home.settled()
        cell.is_down = True
        await home.take(batch("b"))
    cell.is_down = False
    async with opened(tmp_path, cell, {}, known) as home:
        await home.settled()
    assert cell.names == ["a", "b"]


async def test_a_trace_of_two_projects_is_sent_one_after_the_other(home: Home) -> None:
    """Phoenix may take two posts at once, and the first span says where the trace belongs."""
    home.cell.a_look = 0
    await home.take(batch("a", trace=1, project="first"), batch("b", trace=1, project="second"))
    await until(lambda: bool(home.cell.accepted), "the first was accepted")
    await until(lambda: home.cell.looks > 2, "it was waited for")
    assert [name for _, _, name in home.cell.accepted] == ["a"]
    home.cell.a_look = 100
    await home.settled()
    assert home.cell.names == ["a", "b"]


async def test_a_log_that_is_shorter_than_what_was_settled_is_sent_anew(tmp_path: Path) -> None:
    cell, known = CellOfFaults(), Known(set(), {})
    async with opened(tmp_path, cell, {}, known) as home:
        await home.take(batch("a"), batch("b"), batch("c"))
        await home.settled()
    shutil.rmtree(tmp_path / "log")
    async with opened(tmp_path, cell, {}, known) as home:
        await home.take(batch("d"))
        await until(lambda: "d" in cell.names, "it was stored")
    assert cell.names == [*"abcd"]


async def test_an_annotation_keeps_its_metadata(home: Home) -> None:
    target = hash_of("a").to_bytes(8).hex()
    noted = Annotation(of="span", target=target, name="good", metadata={"by": {"model": "m"}})
    await home.take(batch("a"))
    await home.take(encoded([noted]), kind=Kind.ANNOTATIONS)
    await home.settled()
    assert home.cell.annotated == [noted]


@pytest.mark.parametrize("kind", [Kind.ANNOTATIONS, Kind.DELETION])
async def test_a_record_that_nobody_can_read_stops_nothing(
    home: Home, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    await home.take(b"no such thing", kind=kind)
    await home.take(batch("a"))
    await home.settled()
    assert home.cell.names == ["a"]
    assert "cannot be read" in caplog.text
