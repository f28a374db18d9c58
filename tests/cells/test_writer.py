"""What forward asks of a running cell, of a server that answers as told."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from roost.cells.client import CellClient, open_session
from roost.cells.ledger import Node
from roost.cells.writer import CellWriter
from roost.errors import Unavailable
from roost.log.records import Annotation, Deletion


class NoLedger:
    async def stored(self, span_ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return {}

    async def projects_of(self, trace_ids: Sequence[bytes]) -> Mapping[bytes, str]:
        return {}

    async def name_of(self, node: Node, row: int) -> str | None:
        return None


@dataclass
class Served:
    """`status` by path; a token that is not in `good` is answered with 401."""

    good: set[str] = field(default_factory=lambda: {"t1"})
    status: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    tokens: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path_qs))
        self.bodies.append(await request.read())
        token = request.headers["authorization"].removeprefix("Bearer ")
        if token not in {*self.good, "admin"}:
            return web.Response(status=401)
        return web.Response(status=self.status.get(request.path, 200))

    async def token_of(self, author: Annotation | None) -> str:
        return f"t{self.tokens}"

    def forget(self, author: Annotation | None) -> None:
        self.tokens += 1


@pytest.fixture
def served() -> Served:
    return Served(tokens=1)


@pytest.fixture
async def writer(served: Served) -> AsyncIterator[CellWriter]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.answer)
    async with TestServer(app) as server, open_session() as session:
        client = CellClient(session, str(server.make_url("")).rstrip("/"), "i", "c", "s", "admin")
        yield CellWriter(client, NoLedger(), served.token_of, served.forget, lambda: True)


async def test_a_token_that_has_ended_is_asked_for_anew_once(
    writer: CellWriter, served: Served
) -> None:
    served.good = {"t2"}
    assert await writer.post(b"spans") == 200
    assert served.bodies == [b"spans", b"spans"]
    served.good = set()
    assert await writer.post(b"spans") == 401
    assert len(served.asked) == 4


async def test_annotations_whose_target_is_missing_come_back(
    writer: CellWriter, served: Served
) -> None:
    of_span = Annotation(of="span", target="ab" * 8, name="good")
    of_trace = Annotation(of="trace", target="cd" * 16, name="good")
    served.status = {"/v1/trace_annotations": 404}
    assert await writer.annotate([of_span, of_trace]) == [of_trace]


async def test_a_cell_that_fails_is_unavailable(writer: CellWriter, served: Served) -> None:
    served.status = {"/v1/span_annotations": 500}
    with pytest.raises(Unavailable):
        await writer.annotate([Annotation(of="span", target="ab" * 8, name="good")])


async def test_what_is_not_there_any_more_is_deleted(writer: CellWriter, served: Served) -> None:
    served.status = {"/v1/traces/ab": 404}
    await writer.delete(Deletion(traces=("ab",), spans=("cd",), project="a/b"))
    paths = [path.partition("?")[0] for _, path in served.asked]
    assert paths == [
        "/v1/traces/ab",
        "/v1/spans/cd",
        "/v1/projects/a%2Fb/traces",
        "/v1/projects/a%2Fb",
    ]
