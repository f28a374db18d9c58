"""Bodies of spans: nested, cut, and from where they are held."""

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.http.api.spans import Value, a_span, an_exception, span_id, trace_id
from tests.http.api.world import World

from roost.errors import Unavailable
from roost.http.api.nesting import nested
from roost.log.base import Position
from roost.model import Tenant

TRACE = trace_id(1)
WHERE = f"traces/{TRACE}/spans/{span_id(1)}"
LONG = "ä" * 20_000
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("flat", "found"),
    [
        ({"a.b": 1, "a.c.d": 2}, {"a": {"b": 1, "c": {"d": 2}}}),
        ({"a.1.b": "second", "a.0.b": "first"}, {"a": [{"b": "first"}, {"b": "second"}]}),
        ({"a.10": 10, "a.9": 9}, {"a": [9, 10]}),
        ({"a.0": 1, "a.x": 2}, {"a": {"0": 1, "x": 2}}),
        ({"a.00": 1}, {"a": {"00": 1}}),
        ({"a": 1, "a.b": 2}, {"a": 1, "a.b": 2}),
        ({"a..b": 1, ".": 2, "": 3}, {"": 3, "a..b": 1, ".": 2}),
        ({"a": {"b.c": 1}}, {"a": {"b.c": 1}}),
    ],
    ids=lambda value: str(sorted(value)),
)
async def test_names_are_nested_and_nothing_is_lost(
    flat: dict[str, object], found: dict[str, object]
) -> None:
    assert nested(flat) == found


async def test_a_name_of_many_parts_stays_flat() -> None:
    deep = ".".join("a" * 100)
    assert nested({deep: 1}) == {deep: 1}


async def test_a_body_says_all_that_the_span_does(at: World) -> None:
    attributes: dict[str, Value] = {
        "openinference.span.kind": "llm",
        "llm.input_messages.0.message.role": "user",
        "llm.token_count.prompt": 7,
        "metadata": '{"team": {"name": "a"}}',
        "tags": ["x", "y"],
        "share": 0.5,
        "is_it": True,
    }
    await at.take(
        a_span(1, 1, name="call", attributes=attributes, failed=True, events=[an_exception("boom")])
    )
    body = (await at.get("vera", WHERE)).json()
    assert body["attributes"] == {
        "openinference": {"span": {"kind": "llm"}},
        "llm": {
            "input_messages": [{"message": {"role": "user"}}],
            "token_count": {"prompt": 7},
        },
        "metadata": {"team": {"name": "a"}},
        "tags": ["x", "y"],
        "share": 0.5,
        "is_it": True,
    }
    assert (body["kind"], body["status"], body["status_message"]) == (
        "LLM",
        "ERROR",
        "the status of it",
    )
    assert body["exceptions"][0]["type"] == "ValueError"
    assert body["exceptions"][0]["message"] == "boom"
    assert body["events"][0]["attributes"]["exception"]["stacktrace"] == "the stack of it"
    assert body["resource"]["service"] == {"name": "the resource of it"}
    assert body["scope"] == {"name": "tracer", "version": "1.2"}
    assert (body["end_us"] - body["start_us"], body["parent_id"]) == (100_000, None)
    assert (body["source"], body["hidden"]) == ("log", [])


async def test_a_body_is_of_the_kind_that_its_row_says(at: World) -> None:
    kinds: list[dict[str, Value]] = [
        {"gen_ai.operation.name": "invoke_agent"},
        {"openinference.span.kind": "poem"},
        {"openinference.span.kind": "chain"},
    ]
    for number, attributes in enumerate(kinds, 1):
        await at.take(a_span(number, number, attributes=attributes))
    for number, kind in enumerate(("AGENT", "UNKNOWN", "CHAIN"), 1):
        row = (await at.get("vera", f"traces/{trace_id(number)}")).json()
        span = await at.get("vera", f"traces/{trace_id(number)}/spans/{span_id(number)}")
        assert (row["kind"], span.json()["kind"]) == (kind, kind)


async def test_a_large_value_is_cut_and_given_in_parts(at: World) -> None:
    await at.take(a_span(1, 1, attributes={"input.value": LONG, "list": ["b" * 20_000]}))
    found = await at.get("vera", WHERE)
    cut = found.json()["attributes"]["input"]["value"]
    assert (cut["$cut"], cut["head"]) == (40_000, "ä" * 512)
    url = str(found.url.join(cut["href"])).partition("/api/phoenix")[2]
    text, offset = "", 0
    while offset is not None:
        part = (await at.get("vera", f"{url}&offset={offset}&limit=7000")).json()
        assert (part["encoding"], part["chars"]) == ("text", 20_000)
        text, offset = text + part["text"], part["next"]
    assert text == LONG
    whole = await at.ask("GET", "vera", f"{WHERE}/values", query={"path": "attributes.list"})
    assert whole.json()["encoding"] == "json"
    assert whole.json()["text"] == f'["{"b" * 20_000}"]'


async def test_an_answer_is_bounded_however_many_values_there_are(at: World) -> None:
    many = {f"value.{number}": "c" * 16_000 for number in range(500)}
    await at.take(a_span(1, 1, attributes=many))
    answer = await at.get("vera", WHERE, headers={"accept-encoding": "identity"})
    assert len(answer.content) < 1_500_000
    assert "$cut" in answer.json()["attributes"]["value"][499]


async def test_a_body_that_the_log_let_go_of_comes_from_the_cell(at: World) -> None:
    span = a_span(1, 1, attributes={"input.value": "held by the cell"})
    await at.take(span)
    home = await at.home()
    await home.log.erase({Position(home.log.extent.last): b""})
    assert (await at.get("vera", WHERE)).status_code == 404
    at.in_cell[span_id(1)] = span
    body = (await at.get("vera", WHERE)).json()
    assert (body["source"], body["attributes"]["input"]["value"]) == ("phoenix", "held by the cell")
    assert at.asked_of_cell == [[span_id(1)], [span_id(1)]]


async def test_a_cell_that_is_not_up_yet_is_asked_again_later(at: World) -> None:
    await at.take(a_span(1, 1))
    home = await at.home()
    await home.log.erase({Position(home.log.extent.last): b""})

    async def starting(tenant: Tenant, *_: object) -> list[Span]:
        raise Unavailable("This tenant's Phoenix is still starting.", retry_after_s=3)

    at.cell = starting
    answer = await at.get("vera", WHERE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.json()["detail"] == "This tenant's Phoenix is still starting."


async def test_a_body_in_the_log_wakes_no_cell(at: World) -> None:
    await at.take(a_span(1, 1), a_span(1, 2, 1))
    assert (await at.get("vera", f"traces/{TRACE}/spans/{span_id(2)}")).status_code == 200
    assert at.asked_of_cell == []
