"""A batch as it comes in: what passes, what is answered with a reason, what is refused whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analytics.homes import NOON, NOON_MS, batch, body, sent

from roost.analytics.events import Batch, EventLimits, parse
from roost.errors import BadRequest

LIMITS = EventLimits()
NESTED: dict[str, object] = {"a": {"b": {"c": {"d": {}}}}}


def reason(**fields: object) -> str:
    """Why an event with these fields is not taken, beside one that is."""
    judged = batch({**sent(), **fields}, sent())
    (rejected,) = judged.rejected
    assert rejected.index == 0
    assert judged.indices == (1,)
    return rejected.reason


def test_an_event_is_read_as_it_was_sent() -> None:
    event = sent("Report opened", properties={"plan": "pro", "rows": 3}, anonymous_id="anon-123456")
    (read,) = batch(event, library="roost-js/1").events
    assert (read.id, read.name, read.time_ms) == (event["id"], "Report opened", NOON_MS)
    assert (read.user, read.anonymous_id, read.library) == (None, "anon-123456", "roost-js/1")
    assert json.loads(read.properties) == {"plan": "pro", "rows": 3}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"colour": "red"}, "unknown field `colour`"),
        ({"id": "short"}, "id must be"),
        ({"id": "no spaces in an id"}, "id must be"),
        ({"name": ""}, "name must be"),
        ({"name": "x" * 101}, "name must be"),
        ({"name": "ends with "}, "name must be"),
        ({"name": "opened\n"}, "name must be"),
        ({"user": ""}, "user must be"),
        ({"user": "a\x00b"}, "user must be"),
        ({"user": "u" * 201}, "user must be"),
        ({"anonymous_id": "no"}, "anonymous_id must be"),
        ({"user": None}, "say whose it is"),
        ({"time": "yesterday"}, "not RFC 3339"),
        ({"time": NOON * 1000}, "looks like milliseconds"),
        ({"time": -1}, "before 1970"),
        ({"properties": [1]}, "properties must be a JSON object"),
        ({"properties": {f"p{n}": n for n in range(65)}}, "more than 64"),
        ({"properties": {"text": "x" * 20_000}}, "more than 16384 bytes"),
        ({"properties": NESTED}, "deeper than 4"),
        ({"properties": {'a"b': 1}}, "is no name"),
        ({"properties": {"": 1}}, "is no name"),
        ({"properties": {"text": "a\x00b"}}, "U+0000"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_wrong_with_one_is_said_and_no_loss_to_the_other(
    fields: dict[str, object], says: str
) -> None:
    assert says in reason(**fields)


def test_a_rejected_event_is_named_by_its_id() -> None:
    event = sent(colour="red")
    assert batch(event, sent()).rejected[0].id == event["id"]


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{", b'{"events": {}}', b'{"event": []}', b'"\xff"', b"[" * 100_000],
    ids=["empty", "null", "list", "half", "object", "unknown", "bytes", "deep"],
)
def test_what_is_no_batch_is_a_400_that_says_so(content: bytes) -> None:
    with pytest.raises(BadRequest, match="not a batch of events"):
        parse(content, LIMITS, NOON_MS, None)


def test_an_unknown_field_of_the_batch_is_named() -> None:
    with pytest.raises(BadRequest, match="`writeKey`"):
        batch(sent(), writeKey="x")


def test_an_empty_batch_and_one_without_a_usable_event_are_400() -> None:
    with pytest.raises(BadRequest, match="empty"):
        batch()
    with pytest.raises(BadRequest, match="number 0: name must be"):
        batch(sent(""))


def test_a_batch_beyond_the_limit_is_refused_whole() -> None:
    with pytest.raises(BadRequest, match="more than 2 events"):
        parse(body(sent(), sent(), sent()), EventLimits(events=2), NOON_MS, None)


def test_who_may_speak_for_themselves_alone_needs_no_user() -> None:
    (event,) = batch(sent(user=None), own_user="ann").events
    assert event.user == "ann"


def test_who_may_speak_for_themselves_alone_cannot_write_as_another() -> None:
    judged = batch(sent(user="bob"), sent(user="ann"), own_user="ann")
    assert [event.user for event in judged.events] == ["ann"]
    assert "somebody else" in judged.rejected[0].reason


def test_nobody_speaks_for_anothers_consent() -> None:
    said = [{"user": "bob", "granted": False}, {"granted": True}]
    judged = batch(own_user="ann", consents=said)
    assert [(one.user, one.granted) for one in judged.consents] == [("ann", True)]
    assert "somebody else" in judged.rejected[0].reason


def test_times_of_a_clock_that_is_wrong_are_put_right() -> None:
    hour = 3600
    (event,) = batch(sent(time=NOON - hour - 5), sent_at=NOON - hour).events
    assert event.time_ms == NOON_MS - 5000


def test_what_a_batch_takes_on_its_way_is_no_wrong_clock() -> None:
    (event,) = batch(sent(time=NOON - 5), sent_at=NOON - 2).events
    assert event.time_ms == NOON_MS - 5000


def test_an_event_without_a_time_is_of_now() -> None:
    (event,) = batch(sent(time=None)).events
    assert event.time_ms == NOON_MS


def test_a_time_may_be_text() -> None:
    (event,) = batch(sent(time="2027-01-15T13:00:00+01:00")).events
    assert event.time_ms == NOON_MS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(["id", "name", "time", "user", "anonymous_id", "properties", "x"]), JSON
)


@given(st.lists(FIELDS.map(lambda fields: {**sent(), **fields}) | JSON, max_size=4))
def test_every_event_is_taken_or_answered(events: list[object]) -> None:
    judged = judged_or_refused(json.dumps({"events": events}).encode())
    if judged is not None:
        places = [*judged.indices, *(one.index for one in judged.rejected)]
        assert sorted(places) == list(range(len(events)))


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_a_batch_or_a_400(content: bytes) -> None:
    judged_or_refused(content)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), JSON, max_size=4))
def test_properties_that_are_taken_are_stored_as_they_are(properties: dict[str, object]) -> None:
    judged = judged_or_refused(body(sent(properties=properties)))
    if judged is not None:
        assert json.loads(judged.events[0].properties) == properties


def judged_or_refused(content: bytes) -> Batch | None:
    try:
        return parse(content, LIMITS, NOON_MS, None)
    except BadRequest:
        return None
