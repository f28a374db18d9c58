"""Bodies of spans from the real Phoenix: what it stores is what a span of the log would say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from tests.cells.conftest import signed_cell
from tests.cells.signed_cell import ACME, SignedCell
from tests.http.api.spans import Value, a_span, an_exception, batch, span_id, trace_id

from roost.cells.client import CellClient
from roost.errors import Unavailable
from roost.http.api import shapes
from roost.http.api.bodies import Body, Held
from roost.http.api.cell_spans import CellSpans
from roost.http.api_messages import Whole
from roost.model import Tenant

__all__ = ["signed_cell"]

DEADLINE_S = 60.0
ATTRIBUTES: dict[str, Value] = {
    "openinference.span.kind": "LLM",
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "hello",
    "llm.token_count.prompt": 7,
    "input.value": "hello",
    "share": 0.5,
    "is_it": True,
    "metadata": '{"team": "blue"}',
}


@dataclass
class Cell:
    client: CellClient


def spans_of(client: CellClient) -> CellSpans:
    @asynccontextmanager
    async def connect(tenant: Tenant) -> AsyncIterator[Cell]:
        assert tenant == ACME
        yield Cell(client)

    return CellSpans(connect)


async def store(client: CellClient, project: str, trace: int) -> None:
    """As `forward` does, until Phoenix has it."""
    spans = [
        a_span(trace, trace * 10, name="call", attributes=ATTRIBUTES, failed=True,
               events=[an_exception("boom")]),
        a_span(trace, trace * 10 + 1, trace * 10),
    ]  # fmt: skip
    headers = {
        "authorization": f"Bearer {client.admin_secret}",
        "content-type": "application/x-protobuf",
    }
    url = f"{client.address}/v1/traces"
    async with client.session.post(url, data=batch(spans, project), headers=headers) as answer:
        assert answer.status == 200
    wanted = [one.span_id.hex() for one in spans]
    async with asyncio.timeout(DEADLINE_S):
        while len(await spans_of(client).spans(ACME, project, trace_id(trace), wanted)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(("project", "trace"), [("default", 71), ("a/b ?#c", 72)])
async def test_a_body_is_what_was_sent(signed_cell: SignedCell, project: str, trace: int) -> None:
    async with signed_cell.client() as client:
        await store(client, project, trace)
        (span,) = await spans_of(client).spans(
            ACME, project, trace_id(trace), [span_id(trace * 10)]
        )
    body = Body(Held(span, project, {}, None, shapes.Source.PHOENIX), Whole()).shown()
    assert body.attributes == {
        "openinference": {"span": {"kind": "LLM"}},
        "llm": {
            "input_messages": [{"message": {"role": "user", "content": "hello"}}],
            "token_count": {"prompt": 7},
        },
        "input": {"value": "hello"},
        "share": 0.5,
        "is_it": True,
        "metadata": {"team": "blue"},
    }
    assert (body.name, body.kind, body.status, body.parent_id) == ("call", "LLM", "ERROR", None)
    assert body.status_message == "the status of it"
    assert body.exceptions[0].message == "boom"
    assert body.end_us - body.start_us == 100_000


async def test_what_phoenix_does_not_hold_is_left_out(signed_cell: SignedCell) -> None:
    async with signed_cell.client() as client:
        cell = spans_of(client)
        for project in ("default", "nowhere", "no/where"):
            assert await cell.spans(ACME, project, trace_id(99), [span_id(99)]) == []


async def test_a_cell_that_lets_nobody_in_is_unavailable(signed_cell: SignedCell) -> None:
    async with signed_cell.client(admin_secret="wrong-secret-0123456789abcdefghij") as client:
        with pytest.raises(Unavailable):
            await spans_of(client).spans(ACME, "default", trace_id(1), [span_id(1)])
