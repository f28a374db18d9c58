"""Exports: whole, as lines, safe to open, and ended with their proof and their reader."""

import asyncio
import csv
import io
import json
from collections.abc import Sequence

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.http.api.spans import a_span, conversation, span_id, trace_id
from tests.http.api.world import BASE, World
from tests.proxy.loopback import until

from roost.http.api.export import PAGE_ROWS
from roost.log.base import Position
from roost.model import Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_line_a_trace_the_oldest_first(full: World) -> None:
    answer = await full.get("vera", "traces/export")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["trace_id"] for row in rows] == [trace_id(one) for one in (1, 2, 3, 4)]
    listed = (await full.get("vera", "traces", sort="start")).json()["traces"]
    # Where a span is kept moves on by itself between the two requests.
    assert [row | {"stored": None} for row in rows] == [row | {"stored": None} for row in listed]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["cache-control"] == "private, no-store, no-transform"


async def test_a_line_a_span_with_its_body(full: World) -> None:
    answer = await full.get("vera", "traces/export", bodies="true", user="bob")
    spans = [json.loads(line) for line in answer.text.splitlines()]
    assert {one["span_id"] for one in spans} == {span_id(one) for one in range(31, 36)}
    (first,) = [one for one in spans if one["span_id"] == span_id(31)]
    assert first == (await full.get("vera", f"traces/{trace_id(3)}/spans/{span_id(31)}")).json()


async def test_more_than_a_page_comes_whole(at: World) -> None:
    count = 2 * PAGE_ROWS + 1
    await at.take(*(a_span(one, one, at_ms=one) for one in range(1, count + 1)))
    for query in ({}, {"bodies": "true"}):
        answer = await at.ask("GET", "vera", "traces/export", query=query)
        found = [json.loads(line)["trace_id"] for line in answer.text.splitlines()]
        assert found == [trace_id(one) for one in range(1, count + 1)]


async def test_a_large_value_is_exported_whole(at: World) -> None:
    await at.take(a_span(1, 1, attributes={"input.value": "d" * 100_000}))
    answer = await at.get("vera", "traces/export", bodies="true")
    assert json.loads(answer.text)["attributes"]["input"]["value"] == "d" * 100_000


@pytest.mark.parametrize(
    "name",
    ["=HYPERLINK(A1)", "+1", "-1", "@SUM(A1)", "\tx", "＝1"],  # noqa: RUF001
)
async def test_no_cell_of_a_csv_is_a_formula(at: World, name: str) -> None:
    own = {"openinference.span.kind": "AGENT", "input.value": name, "user.id": f'{name},\n"x"'}
    await at.take(a_span(1, 1, name=name, attributes=own))
    for query in ({"format": "csv"}, {"format": "csv", "bodies": "true"}):
        answer = await at.ask("GET", "vera", "traces/export", query=query)
        (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
        assert row["name"] == f"'{name}"
        assert not [one for one in row.values() if one.startswith(("=", "+", "-", "@", "\t", "＝"))]  # noqa: RUF001
    assert answer.headers["content-type"].startswith("text/csv")


async def test_a_csv_of_nothing_has_its_header(at: World) -> None:
    answer = await at.get("vera", "traces/export", format="csv")
    assert answer.text.startswith("trace_id,project,name,")
    assert len(answer.text.splitlines()) == 1
    assert (await at.get("vera", "traces/export")).text == ""


async def test_bodies_that_the_log_let_go_of_come_from_the_cell(at: World) -> None:
    spans = conversation(1, "ann")
    await at.take(*spans)
    home = await at.home()
    await home.log.erase({Position(home.log.extent.last): b""})
    at.in_cell = {one.span_id.hex(): one for one in spans[:3]}
    answer = await at.get("vera", "traces/export", bodies="true")
    assert len(answer.text.splitlines()) == 3


class Stuck:
    """A cell that does not answer for as long as the test wants."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(
        self, tenant: Tenant, project: str, trace_id: str, span_ids: Sequence[str]
    ) -> list[Span]:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.gone.set()
        return []


async def stuck_in(at: World) -> Stuck:
    await at.take(*conversation(1, "ann"))
    home = await at.home()
    await home.log.erase({Position(home.log.extent.last): b""})
    at.cell = stuck = Stuck()
    return stuck


async def test_an_export_ends_with_its_proof(at: World) -> None:
    stuck = await stuck_in(at)
    url = f"{at.url}{BASE}/api/traces/export?bodies=true&format=csv"
    async with (
        httpx.AsyncClient(headers={"authorization": "Bearer vera"}) as client,
        client.stream("GET", url) as answer,
    ):
        chunks = answer.aiter_bytes()
        assert (await anext(chunks)).startswith(b"trace_id")
        await asyncio.wait_for(stuck.asked.wait(), 5)
        at.calls.cut("p-vera")
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(chunks)
    await asyncio.wait_for(stuck.gone.wait(), 5)


async def test_an_export_ends_with_its_reader(at: World) -> None:
    stuck = await stuck_in(at)
    url = f"{at.url}{BASE}/api/traces/export?bodies=true&format=csv"
    async with (
        httpx.AsyncClient(headers={"authorization": "Bearer vera"}) as client,
        client.stream("GET", url) as answer,
    ):
        chunks = answer.aiter_bytes()
        await anext(chunks)
        await asyncio.wait_for(stuck.asked.wait(), 5)
    await asyncio.wait_for(stuck.gone.wait(), 5)
    await until(lambda: not at.calls._open)
    assert at.raised == []
