"""A frame is one event and one line of JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from roost.live import frames

SAMPLES: list[tuple[frames.Frame, dict[str, object]]] = [
    (frames.hello("id1", 10.0), {"type": "hello", "id": "id1", "heartbeat_s": 10.0}),
    (frames.hello("", 10.0), {"type": "hello", "heartbeat_s": 10.0}),
    (frames.upsert("id2", b'{"a":1}'), {"type": "upsert", "id": "id2", "trace": {"a": 1}}),
    (frames.remove("id3", 'a"b'), {"type": "remove", "id": "id3", "trace_id": 'a"b'}),
    (frames.missed(7), {"type": "missed", "count": 7}),
    (frames.resumed("id5"), {"type": "resumed", "id": "id5"}),
    (frames.reset("id6"), {"type": "reset", "id": "id6"}),
    (frames.heartbeat("id7"), {"type": "heartbeat", "id": "id7"}),
    (frames.expired(), {"type": "expired"}),
]


def test_both_transports_say_the_same() -> None:
    for frame, said in SAMPLES:
        assert json.loads(frame.text) == said
        *head, data, end = frame.event.decode().removesuffix("\n").split("\n")
        assert (json.loads(data.removeprefix("data: ")), end) == (said, "")
        identified = [f"id: {said['id']}"] if "id" in said else []
        assert head == [f"event: {said['type']}", *identified]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from([None, 1, 2]), st.booleans())
def test_no_row_begins_another_event(row: object, indent: int | None, mac: bool) -> None:
    text = json.dumps(row, indent=indent, ensure_ascii=False)
    spelt = text.replace("\n", "\r") if mac else text
    frame = frames.upsert("id", spelt.encode())
    body = frame.event.removesuffix(b"\n\n")
    assert body.count(b"\n") == 2
    assert b"\r" not in body
    assert json.loads(frame.text)["trace"] == row
