"""The keeper's side of the live view, on its Unix socket: a feed a tenant, and what was missed.

Rule: lines are msgpack behind their length in four bytes, so that no row can be mistaken for the
end of one. The first line is there before the answer begins: a refusal is a status, not a cut.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from roost.errors import RoostError
from roost.live.changes import Topic
from roost.live.messages import Follow, Line, Since, encode
from roost.live.outlet import Outlet
from roost.model import TenantId

FEED_PATH, SINCE_PATH = "/live/feed", "/live/since"
LENGTH_BYTES = 4
MEDIA_TYPE = "application/x-msgpack"

Question = TypeVar("Question")


def live_routes(outlet: Outlet) -> list[Route]:
    """What the keeper's app serves beside its operations."""

    async def feed(question: Follow) -> Response:
        lines = outlet.feed(TenantId(question.tenant_id))
        first = await anext(lines)
        return StreamingResponse(_framed(first, lines), media_type=MEDIA_TYPE)

    async def since(question: Since) -> Response:
        topic = Topic(TenantId(question.tenant_id), question.project, question.user)
        missed = await outlet.since(topic, question.after, question.limit)
        return Response(encode(missed), media_type=MEDIA_TYPE)

    return [
        Route(FEED_PATH, _endpoint(Follow, feed), methods=["POST"]),
        Route(SINCE_PATH, _endpoint(Since, since), methods=["POST"]),
    ]


def _endpoint(
    kind: type[Question], answer: Callable[[Question], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await answer(msgspec.msgpack.decode(await request.body(), type=kind))
        except msgspec.DecodeError as error:
            return Response(f"Not this keeper's language: {error}", 400)
        except RoostError as error:
            return Response(error.message, error.status)

    return endpoint


async def _framed(first: Line, rest: AsyncGenerator[Line, None]) -> AsyncIterator[bytes]:
    yield framed(first)
    async with aclosing(rest) as lines:
        async for line in lines:
            yield framed(line)


def framed(line: Line) -> bytes:
    body = encode(line)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body
