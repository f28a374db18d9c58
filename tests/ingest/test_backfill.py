"""An existing Phoenix's slices on their way into a log."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.ingest.spans import span

from roost.errors import Unavailable
from roost.ingest.backfill import Backfill, Pace, Place, Project, Reject, Slice, Tally, Wish
from roost.ingest.mask import NO_MASK, Mask, parse_mask
from roost.log.records import Annotation, annotations_of, spans_of

CHAT, DOCS = Project("chat", "1"), Project("docs", "2")


def one(number: int, trace: int = 1, **attributes: str) -> Span:
    made = span(f"span {number}", bytes([trace]) * 16, bytes([number]) * 8)
    made.attributes.extend(
        KeyValue(key=key.replace("_", "."), value=AnyValue(string_value=value))
        for key, value in attributes.items()
    )
    return made


@dataclass
class Shelf:
    """A Phoenix: of each project its spans, `size` at a time; a span's row is its place."""

    held: dict[str, list[Span]]
    size: int = 2
    notes: dict[tuple[str, str], list[Annotation]] = field(default_factory=dict)
    unfit: Sequence[Reject] = ()
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def projects(self) -> list[Project]:
        return [Project(name, name) for name in self.held]

    async def slice(self, project: Project, place: Place) -> Slice:
        spans = self.held[project.name][place.after : place.after + self.size]
        after = place.after + len(spans)
        anchor = spans[-1].span_id.hex() if spans else place.anchor
        rejects = self.unfit if not place.after else ()
        over = after == len(self.held[project.name])
        return Slice(Place(after=after, anchor=anchor), over, spans, rejects)

    async def holds(self, project: Project, place: Place) -> bool:
        return self.held[project.name][place.row - 1].span_id.hex() == place.anchor

    async def annotations(
        self, project: Project, of: str, targets: Sequence[str]
    ) -> list[Annotation]:
        self.asked += [(of, target) for target in targets]
        return [found for target in targets for found in self.notes.get((of, target), [])]


@dataclass
class Book:
    """A log: what was appended, in order. `room` is how many appends it takes."""

    lines: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    settled_ids: list[str] = field(default_factory=list)
    room: int = 1_000

    async def spans(self, payloads: Sequence[bytes]) -> None:
        self._take()
        self.bodies += payloads
        found = [logged for body in payloads for logged in spans_of(body)]
        self.lines += [f"{logged.project}: {logged.span.name}" for logged in found]

    async def annotations(self, body: bytes) -> None:
        self._take()
        self.lines += [
            f"{said.of} {said.target[:2]}: {said.label}" for said in annotations_of(body)
        ]

    async def settled(self, span_id: str) -> None:
        self.settled_ids.append(span_id)

    def _take(self) -> None:
        self.room -= 1
        if self.room < 0:
            raise Unavailable("The log does not answer.")


@dataclass
class Kept:
    places: dict[str, tuple[str, Place]] = field(default_factory=dict)

    def of(self, project: str, terms: str) -> Place:
        said, place = self.places.get(project, ("", Place()))
        return place if said == terms else Place()

    def keep(self, project: str, terms: str, place: Place) -> None:
        self.places[project] = terms, place


class Nobody:
    def begins(self, tally: Tally) -> None: ...

    def moved(self, tally: Tally) -> None: ...

    def ended(self, tally: Tally) -> None: ...


@dataclass
class World:
    shelf: Shelf
    book: Book = field(default_factory=Book)
    kept: Kept = field(default_factory=Kept)
    rejects: list[Reject] = field(default_factory=list)

    async def run(
        self, wish: Wish | None = None, pace: Pace | None = None, mask: Mask = NO_MASK
    ) -> list[Tally]:
        return await Backfill(
            self.shelf,
            self.book,
            self.kept,
            wish or Wish(),
            Nobody(),
            self.rejects.append,
            mask,
            pace or Pace(),
        ).run()


def five() -> World:
    return World(Shelf({"chat": [one(number) for number in range(1, 6)]}))


ALL_FIVE = [f"chat: span {number}" for number in range(1, 6)]


async def test_all_spans_of_all_projects_come_in_order() -> None:
    world = World(Shelf({"chat": [one(1), one(2), one(3)], "docs": [one(4)]}))
    chat, docs = await world.run()
    assert world.book.lines == ["chat: span 1", "chat: span 2", "chat: span 3", "docs: span 4"]
    assert (chat.spans, docs.spans) == (3, 1)


async def test_a_run_that_breaks_off_goes_on_with_the_slice_that_was_not_taken() -> None:
    world = five()
    world.book.room = 2
    with pytest.raises(Unavailable):
        await world.run()
    world.book.room = 1_000
    (tally,) = await world.run()
    assert tally.resumed
    assert world.book.lines == ALL_FIVE


async def test_a_slice_whose_annotations_were_not_taken_is_sent_again() -> None:
    world = five()
    world.shelf.notes = {("span", "01" * 8): [Annotation("span", "01" * 8, "q", label="good")]}
    world.book.room = 1
    with pytest.raises(Unavailable):
        await world.run()
    world.book.room = 1_000
    await world.run()
    assert world.book.lines == [*ALL_FIVE[:2], *ALL_FIVE[:2], "span 01: good", *ALL_FIVE[2:]]


async def test_a_second_run_brings_only_what_is_new() -> None:
    world = five()
    await world.run()
    world.book.lines.clear()
    world.shelf.held["chat"].append(one(6))
    await world.run()
    assert world.book.lines == ["chat: span 6"]


async def test_another_phoenix_behind_the_same_place_is_read_from_its_beginning() -> None:
    world = five()
    await world.run()
    world.book.lines.clear()
    world.shelf.held["chat"] = [one(number + 100) for number in range(1, 7)]
    (tally,) = await world.run()
    assert (tally.resumed, tally.spans) == (False, 6)


async def test_another_target_begins_anew() -> None:
    world = five()
    await world.run()
    (tally,) = await world.run(Wish(into="all"))
    assert (tally.resumed, tally.spans) == (False, 5)


async def test_no_more_than_so_many_spans_wait_for_phoenix() -> None:
    world = five()
    await world.run(pace=Pace(pending_spans_max=4))
    assert world.book.settled_ids == ["02" * 8]
    world = five()
    await world.run(pace=Pace(pending_spans_max=1))
    assert world.book.settled_ids == ["02" * 8, "04" * 8]


async def test_annotations_come_after_their_spans_and_a_trace_is_asked_for_once() -> None:
    world = five()
    world.shelf.notes = {
        ("span", "03" * 8): [Annotation("span", "03" * 8, "q", label="good")],
        ("trace", "01" * 16): [Annotation("trace", "01" * 16, "q", label="long")],
    }
    (tally,) = await world.run()
    lines = world.book.lines
    assert lines == [*ALL_FIVE[:2], "trace 01: long", *ALL_FIVE[2:4], "span 03: good", ALL_FIVE[4]]
    assert tally.annotations == 2
    assert world.shelf.asked.count(("trace", "01" * 16)) == 1


async def test_a_session_is_known_by_its_spans() -> None:
    world = World(Shelf({"chat": [one(1, session_id="s"), one(2, session_id="s")]}))
    world.shelf.notes = {("session", "s"): [Annotation("session", "s", "q", label="fine")]}
    await world.run()
    assert world.book.lines[-1] == "session s: fine"


async def test_only_projects_that_fit_are_read_and_go_where_they_should() -> None:
    world = World(Shelf({"chat-a": [one(1)], "chat-b": [one(2)], "docs": [one(3)]}))
    await world.run(Wish(("chat-*",), prefix="old-"))
    assert world.book.lines == ["old-chat-a: span 1", "old-chat-b: span 2"]


async def test_a_project_whose_name_cannot_be_is_told_and_the_others_go_on() -> None:
    world = World(Shelf({"": [one(1)], "docs": [one(2)]}))
    empty, docs = await world.run()
    assert "empty" in empty.refused
    assert [one.reason for one in world.rejects] == [empty.refused]
    assert docs.spans == 1


async def test_what_cannot_be_read_is_counted_and_kept_aside() -> None:
    world = five()
    world.shelf.unfit = [Reject("chat", "t", "s", "odd")]
    (tally,) = await world.run()
    assert (tally.spans, tally.rejected, world.rejects) == (5, 1, list(world.shelf.unfit))


async def test_what_the_rules_of_masking_name_does_not_come_along() -> None:
    world = World(Shelf({"chat": [one(1, input_value="write to ann@acme.example")]}))
    await world.run(mask=parse_mask(["email"]))
    (body,) = world.book.bodies
    assert b"ann@acme" not in body


async def test_an_annotation_always_comes_in_a_form_that_the_log_can_read() -> None:
    """One that it cannot would stop every reader of the log."""
    world = five()
    said = Annotation("span", "01" * 8, "q", label="good", metadata={"k": 1})
    world.shelf.notes = {("span", "01" * 8): [said]}
    (tally,) = await world.run()
    assert "span 01: good" in world.book.lines
    assert tally.annotations == 1
