"""A Phoenix that is read over REST; an older one here, the newest in `cli/test_backfill.py`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.ingest.older_phoenix import KEY, OlderPhoenix, relay

from roost.errors import BadRequest, NotAllowed, Unavailable
from roost.ingest.backfill import Place, Project, Reject
from roost.ingest.backfill_calls import PAUSES_S, PhoenixCalls, address_of
from roost.ingest.backfill_rest import RestPhoenix

CHAT = Project("chat", relay("Project", 1))


class World:
    """`paused` are the pauses before a call was tried again."""

    def __init__(self, phoenix: OlderPhoenix, session: ClientSession, address: str) -> None:
        self.phoenix, self.session, self.address = phoenix, session, address
        self.paused: list[float] = []
        self.source = self.reading()

    def reading(self, key: str = KEY, page_spans: int = 2) -> RestPhoenix:
        async def uncounted(_: str) -> int | None:
            return None

        return RestPhoenix(self.calls(key), uncounted, page_spans=page_spans)

    def calls(self, key: str = KEY) -> PhoenixCalls:
        async def sleep(seconds: float) -> None:
            self.paused.append(seconds)

        return PhoenixCalls(self.session, self.address, key, lambda _: None, sleep)

    async def names(self, place: Place) -> tuple[list[str], Place]:
        """Of all spans from there on, and where it ends."""
        names, over = list[str](), False
        while not over:
            read = await self.source.slice(CHAT, place)
            names += [one.name for one in read.spans]
            place, over = read.place, read.over
        return names, place


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    phoenix = OlderPhoenix()
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(phoenix.served())
        session = await stack.enter_async_context(ClientSession())
        yield World(phoenix, session, address)


async def test_the_newest_come_first_and_each_page_in_order(world: World) -> None:
    for row in (3, 5, 6, 8, 9):
        world.phoenix.add(row)
    names, place = await world.names(Place())
    assert names == ["span 8", "span 9", "span 5", "span 6", "span 3"]
    assert place == Place(after=9, anchor=f"{9:016x}")


async def test_what_comes_in_meanwhile_is_the_next_runs(world: World) -> None:
    for row in (1, 2, 3, 4, 5):
        world.phoenix.add(row)
    world.phoenix.new_after_pages = 1
    names, place = await world.names(Place())
    assert names == ["span 4", "span 5", "span 2", "span 3", "span 1"]
    assert (await world.names(place))[0] == ["span 6"]


async def test_a_run_that_broke_off_goes_on_where_it_was(world: World) -> None:
    for row in (1, 2, 3, 4, 5):
        world.phoenix.add(row)
    first = await world.source.slice(CHAT, Place())
    assert first.place == Place(until=3, top=5, anchor=f"{5:016x}")
    names, place = await world.names(first.place)
    assert names == ["span 2", "span 3", "span 1"]
    assert place == Place(after=5, anchor=f"{5:016x}")


async def test_a_place_is_this_phoenixs_while_its_anchor_stands(world: World) -> None:
    world.phoenix.add(4)
    world.phoenix.add(5)
    assert await world.source.holds(CHAT, Place(after=5, anchor=f"{5:016x}"))
    assert not await world.source.holds(CHAT, Place(after=5, anchor=f"{4:016x}"))
    assert not await world.source.holds(CHAT, Place(after=9, anchor=f"{9:016x}"))


async def test_a_span_becomes_what_a_tracer_had_sent(world: World) -> None:
    event = {
        "name": "exception",
        "timestamp": "2026-01-02T03:04:05.5+00:00",
        "attributes": {"exception.message": "no"},
    }
    world.phoenix.add(1, parent_id="ab" * 8, status_code="ERROR", events=[event])
    (span,) = (await world.source.slice(CHAT, Place())).spans
    assert span.parent_span_id.hex() == "ab" * 8
    assert span.start_time_unix_nano % 10**9 == 123_000
    assert span.status.code == 2
    assert [one.attributes[0].value.string_value for one in span.events] == ["no"]
    attributes = {one.key: one.value for one in span.attributes}
    assert attributes["llm.token_count.prompt"].int_value == 7
    kinds = [one.WhichOneof("value") for one in attributes["mixed"].array_value.values]
    assert kinds == ["int_value", "string_value"]
    assert "openinference.span.kind" not in attributes


UNFIT = {
    "ids of its own": (
        {"context": {"trace_id": "mine", "span_id": "own"}},
        "trace_id is not 32 hexadecimal digits, or all zero",
    ),
    "a time before 1970": (
        {"start_time": "1960-01-01T00:00:00+00:00"},
        "start_time is not between 1970 and 2554",
    ),
    "no end": ({"end_time": None}, "end_time: Input should be a valid datetime"),
}


@pytest.mark.parametrize(("changed", "reason"), UNFIT.values(), ids=UNFIT)
async def test_a_span_that_cannot_be_read_is_no_loss_of_others(
    world: World, changed: dict[str, object], reason: str
) -> None:
    world.phoenix.add(1, **changed)
    world.phoenix.add(2)
    read = await world.source.slice(CHAT, Place())
    assert [one.name for one in read.spans] == ["span 2"]
    (reject,) = read.rejects
    assert isinstance(reject, Reject)
    assert reject.reason.startswith(reason)


async def test_half_an_emoji_is_no_reason_to_fail(world: World) -> None:
    world.phoenix.add(1, name="a\ud83d")
    (span,) = (await world.source.slice(CHAT, Place())).spans
    assert isinstance(span, Span)
    assert span.name == "a\ufffd"


async def test_what_an_older_phoenix_cannot_list_is_said_and_not_asked_again(world: World) -> None:
    for _ in range(2):
        assert await world.source.annotations(CHAT, "trace", ["ab" * 16]) == []
    assert world.source.lacks == {"trace"}
    assert sum(path.endswith("trace_annotations") for path in world.phoenix.asked) == 2


async def test_an_author_who_may_not_be_looked_up_is_shown_by_number(world: World) -> None:
    world.phoenix.annotations = [
        {
            "span_id": "AB" * 8, "name": "quality", "annotator_kind": "HUMAN",
            "identifier": "px-app:3",
            "result": {"label": "good", "score": 1}, "metadata": {"k": 1, "roost.subject": "bob"},
            "user_id": relay("User", 3),
        }
    ]  # fmt: skip
    (said,) = await world.source.annotations(CHAT, "span", ["ab" * 8])
    assert (said.target, said.label, said.score) == ("ab" * 8, "good", 1.0)
    assert (said.subject, said.subject_name) == ("", "user 3 of the former Phoenix")
    assert said.identifier == "imported:px-app:3"
    author = "user 3 of the former Phoenix"
    assert said.metadata == {"k": 1, "roost.subject": "", "roost.subject_name": author}


async def test_a_wrong_key_is_said_at_once(world: World) -> None:
    with pytest.raises(NotAllowed, match="does not accept the key"):
        await world.reading(key="wrong").projects()
    assert world.paused == []


async def test_what_may_pass_is_tried_again(world: World) -> None:
    world.phoenix.faults = [503, 429, 500]
    assert [one.name for one in await world.source.projects()] == ["chat"]
    assert world.paused == [1.0, 2.0, 4.0]


async def test_what_does_not_pass_is_given_up(world: World) -> None:
    world.phoenix.faults = [503] * 20
    with pytest.raises(Unavailable, match="answers with 503"):
        await world.source.projects()
    assert world.paused == list(PAUSES_S)


async def test_a_redirect_is_not_followed_with_the_key(world: World) -> None:
    other = OlderPhoenix()
    async with other.served() as address:
        world.phoenix.faults, world.phoenix.elsewhere = [302], f"{address}/v1/projects"
        with pytest.raises(BadRequest, match="leads to"):
            await world.source.projects()
    assert other.asked == []


async def test_the_version_is_told(world: World) -> None:
    assert await world.calls().version() == "12.4.0"


@pytest.mark.parametrize(
    "url", ["phoenix:6006", "ftp://phoenix", "http://", "http://h/?a=1", "http://user:pw@h"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        address_of(url)
