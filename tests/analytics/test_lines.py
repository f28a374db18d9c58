"""Old log lines as events: where a line keeps what, and an id that is always the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.analytics.events import Fault
from roost.analytics.lines import Fields, LogFile, fingerprint_of
from roost.errors import BadRequest

OLD = {"event": "report opened", "userId": 7, "ts": 1_800_014_400_123, "plan": "pro", "n": 1}
FILE = LogFile(fingerprint_of(b"first"), Fields.parse("name=event,user=userId,time=ts"))


def line(**fields: object) -> bytes:
    return json.dumps({**OLD, **fields}).encode()


def test_a_line_is_read_as_its_mapping_says() -> None:
    event = FILE.read(1, line())
    assert (event.name, event.user, event.time_ms) == ("report opened", "7", 1_800_014_400_123)
    assert json.loads(event.properties) == {"plan": "pro", "n": 1}


def test_paths_lead_into_objects_and_properties_may_have_one() -> None:
    mapping = Fields.parse("name=msg.event, user=ctx.user.id, time=@timestamp, properties=data")
    text = (
        b'{"msg":{"event":"opened"},"ctx":{"user":{"id":"ann"}},"data":{"plan":"pro"},'
        b'"@timestamp":"2027-01-15T12:00:00Z","level":"info"}'
    )
    event = LogFile("f", mapping).read(1, text)
    assert (event.name, event.user, event.properties) == ("opened", "ann", '{"plan":"pro"}')


@pytest.mark.parametrize(
    "time",
    [1_800_014_400, 1_800_014_400_000, "2027-01-15T12:00:00Z", "2027-01-15 12:00:00,000"],
    ids=str,
)
def test_times_are_read_as_logs_write_them(time: object) -> None:
    assert FILE.read(1, line(ts=time)).time_ms == 1_800_014_400_000


def test_what_nobody_did_belongs_to_the_file() -> None:
    event = FILE.read(1, line(userId=None))
    assert event.user is None
    assert event.anonymous_id == FILE.read(2, line(userId="")).anonymous_id


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"plain text", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b'"\xff"', "not a JSON object"),
        (line(event=None), "no name at 'event'"),
        (line(event="what?!"), "name must be"),
        (line(ts=None), "no time at 'ts'"),
        (line(ts=True), "no time at 'ts'"),
        (line(ts="once"), "not RFC 3339"),
        (line(userId=[1]), "neither text nor"),
    ],
    ids=lambda value: str(value)[:25],
)
def test_a_line_that_is_no_event_is_told_why(text: bytes, says: str) -> None:
    with pytest.raises(Fault) as caught:
        FILE.read(1, text)
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["name", "name=", "colour=red", "=x"])
def test_a_mapping_that_maps_nothing_is_told_how(text: str) -> None:
    with pytest.raises(BadRequest, match="name=event"):
        Fields.parse(text)


@given(st.integers(1, 99), st.integers(1, 99), st.sampled_from(["a", "b"]), st.sampled_from("ab"))
def test_an_id_is_the_lines_own(one: int, other: int, text: str, another: str) -> None:
    same = (one, text) == (other, another)
    ids = FILE.event_id(one, text.encode()), FILE.event_id(other, another.encode())
    assert (ids[0] == ids[1]) == same
    foreign = LogFile(fingerprint_of(b"other"), FILE.mapping)
    assert foreign.event_id(one, text.encode()) != ids[0]
