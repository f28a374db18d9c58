"""What was deleted is in no file of the log any more, and an index built from it is the same."""

import random
import sqlite3
import zlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.index.amended import call, contents, span
from tests.ingest.spans import group, request

from roost.index.amending import bury
from roost.index.home import Index
from roost.index.upkeep import gone_spans, gone_traces
from roost.ingest.erasing import Deletions, Erasing, Gone, annotations_without, spans_without
from roost.log.base import BEGINNING, Entry, Kind, Position, Record
from roost.log.records import Annotation, Deletion, encoded, spans_of
from roost.log.segments import SegmentLimits, SegmentLog

MARKER = "the-secret-of-acme"


@dataclass
class World:
    """A log and the index that lives through it."""

    path: Path
    log: SegmentLog
    index: Index
    marks: dict[str, str] = field(default_factory=dict)
    settled: Position | None = None
    late: int = 0
    tidied: int = 0

    async def take(self, kind: Kind, body: bytes) -> Position:
        position = await self.log.append([Entry(kind, body)])
        self.index.apply(await self.log.read(self.index.cursor, 2**30))
        return position

    async def spans(self, *spans: Span, project: str = "p") -> Position:
        return await self.take(Kind.SPANS, request(group(spans, project)).SerializeToString())

    async def annotate(self, *annotations: Annotation) -> Position:
        return await self.take(Kind.ANNOTATIONS, encoded(annotations))

    async def delete(self, **what: object) -> Position:
        return await self.take(Kind.DELETION, encoded(Deletion(**what)))  # type: ignore[arg-type]

    async def erase(self) -> int:
        newest = [record for record in await self.read() if record.kind is Kind.DELETION]

        async def deletions() -> Deletions:
            return Deletions(newest[-1].position if newest else BEGINNING, self.late)

        async def recall(name: str) -> str | None:
            return self.marks.get(name)

        async def remember(name: str, value: str) -> None:
            self.marks[name] = value

        async def tidy() -> None:
            self.tidied += 1
            self.index.sweep()

        return await Erasing(
            self.log,
            lambda: self.log.extent.last if self.settled is None else self.settled,
            lambda: self.index.cursor,
            deletions,
            self.gone,
            recall,
            remember,
            tidy,
            rest_s=0,
            slice_bytes=1_000,
        ).run_once()

    def gone(self, traces: Collection[bytes], spans: Collection[bytes]) -> Gone:
        return self.index.read(lambda db: Gone(gone_traces(db, traces), gone_spans(db, spans)))

    async def read(self) -> Sequence[Record]:
        return await self.log.read(BEGINNING, 2**30)

    def files_with(self, text: str) -> list[str]:
        """Those that hold it, as it is or deflated."""
        return [file.name for file in sorted(self.path.iterdir()) if text in _held_by(file)]

    async def rebuilt(self) -> dict[str, list[tuple[object, ...]]]:
        """What an index that is built anew holds; what was deleted is told to it first."""
        deleted = self.index.read(
            lambda db: [row[0] for row in db.execute("SELECT trace_id FROM gone_trace")]
        )
        with Index.open(self.path.parent / f"again-{random.random()}.db", full_text=False) as again:  # noqa: S311
            again.amend(lambda hand: bury(hand, deleted))
            again.apply(await self.log.read(BEGINNING, 2**30))
            return contents(again)


def _held_by(file: Path) -> str:
    """Everything, and once more what the log has deflated in it."""
    held = file.read_bytes()
    if file.suffix == ".db":
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT data, deflated FROM records").fetchall()
        held += b"".join(
            zlib.decompress(data, -15) if deflated else data for data, deflated in rows
        )
    return held.decode("latin-1")


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[World]:
    log = await SegmentLog.open(tmp_path / "log", limits=SegmentLimits(segment_bytes=16 * 1024))
    try:
        with Index.open(tmp_path / "index.db", full_text=False) as index:
            yield World(tmp_path / "log", log, index)
    finally:
        await log.aclose()


def told(trace: int, number: int, text: str) -> Span:
    return span(trace, number, input__value=text)


async def test_no_file_of_the_log_holds_what_was_deleted(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.spans(told(1, 1, MARKER), told(2, 2, "kept-text"))
        await one.annotate(
            Annotation("span", (1).to_bytes(8).hex(), "note", explanation=MARKER),
            Annotation("session", "chat", "note", explanation=MARKER),
        )
        assert one.files_with(MARKER)
        await one.delete(traces=((1).to_bytes(16).hex(),), sessions=("chat",))
        assert await one.erase() == 2
        assert one.files_with(MARKER) == []
        assert one.files_with("kept-text")
        assert one.tidied == 1
        assert await one.rebuilt() == contents(one.index)


async def test_places_of_what_is_left_hold(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        position = await one.spans(told(1, 1, "a"), told(2, 2, "b"), told(1, 3, "c"))
        await one.delete(spans=((1).to_bytes(8).hex(),))
        await one.erase()
        record = (await one.log.get([position]))[position]
        assert [(s.ordinal, s.span.name) for s in spans_of(record.body)] == [
            (1, "span 2"),
            (2, "span 3"),
        ]
        assert await one.rebuilt() == contents(one.index)


async def test_it_is_done_once(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.spans(told(1, 1, MARKER))
        assert await one.erase() == 0
        await one.delete(project="p")
        assert await one.erase() == 1
        assert await one.erase() == 0
        assert one.tidied == 1


async def test_what_comes_too_late_goes_too(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.spans(told(1, 1, "early"))
        await one.delete(traces=((1).to_bytes(16).hex(),))
        await one.erase()
        await one.spans(told(1, 2, MARKER))
        one.late = 1
        assert await one.erase() == 1
        assert one.files_with(MARKER) == []


async def test_what_a_reader_has_still_to_read_waits(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.spans(told(1, 1, MARKER))
        await one.delete(traces=((1).to_bytes(16).hex(),))
        one.settled = BEGINNING
        assert await one.erase() == 0
        assert one.files_with(MARKER)
        one.settled = None
        assert await one.erase() == 1


def test_with_its_last_span_a_resource_goes() -> None:
    body = request(group([told(1, 1, MARKER)], MARKER), group([told(2, 2, "b")], "q"))
    left, erased = spans_without(body.SerializeToString(), Gone([(1).to_bytes(16)]))
    assert MARKER.encode() not in left
    assert [(one.ordinal, one.project) for one in spans_of(left)] == [(1, "q")]
    assert erased == {(1).to_bytes(8)}


def test_a_record_of_which_nothing_is_left_is_empty() -> None:
    body = request(group([told(1, 1, "a")], "p")).SerializeToString()
    assert spans_without(body, Gone([(1).to_bytes(16)]))[0] == b""
    annotation = Annotation("span", "ab", "note")
    assert annotations_without(encoded([annotation]), lambda one: True) == b"[]"


async def test_any_history_erased_and_built_again_is_the_same(tmp_path: Path) -> None:
    """Random batches and deletions in random order; ids of spans are never used for two traces."""
    for seed in range(25):
        chance = random.Random(seed)  # noqa: S311
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with world(folder) as one:
            for _ in range(chance.randint(5, 25)):
                await happen(one, chance)
            await one.erase()
            await happen(one, chance)
            assert await one.rebuilt() == contents(one.index), f"seed {seed}"


async def happen(one: World, chance: random.Random) -> None:
    trace = chance.randint(1, 6)
    number = trace * 10 + chance.randint(1, 5)
    hexes = trace.to_bytes(16).hex(), number.to_bytes(8).hex()
    match chance.randint(0, 9):
        case 0:
            await one.delete(traces=hexes[:1])
        case 1:
            await one.delete(spans=hexes[1:])
        case 2:
            await one.delete(project=f"p{trace % 2}")
        case 3:
            await one.delete(sessions=(f"chat {trace % 3}",))
        case 4:
            target = chance.choice([("trace", hexes[0]), ("span", hexes[1])])
            await one.annotate(Annotation(*target, "note", label=str(number)))
        case _:
            made = call(trace, number, parent=trace * 10 + 1, session=f"chat {trace % 3}")
            if number % 10 == 1:
                made = told(trace, number, f"text {chance.random()}")
            await one.spans(made, project=f"p{trace % 2}")
