"""The desk of Roost's own API on the keeper's socket: one operation, its answer passed on as bytes.

Rule: the first chunk of a stream is there before the answer begins, so that a refusal is a status
and not a cut.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from roost.errors import RoostError
from roost.http import api_messages as q
from roost.http.api_desk import Answered, ApiDesk
from roost.http.keeper_server import refused


def api_routes(desk: ApiDesk) -> list[Route]:
    """What the keeper's app serves beside its operations."""
    return [Route(q.PATH, _endpoint(desk.answer), methods=["POST"])]


def _endpoint(
    answer: Callable[[q.Ask], Awaitable[Answered]],
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await _response(await answer(q.decode(await request.body())))
        except msgspec.DecodeError as error:
            return refused(RoostError(f"Not this keeper's language: {error}", status=400))
        except RoostError as error:
            return refused(error)

    return endpoint


async def _response(answered: Answered) -> Response:
    headers = {"etag": answered.etag} if answered.etag else {}
    if answered.is_packed:
        headers["content-encoding"] = "gzip"
    if answered.chunks is None:
        return Response(answered.body, answered.status, headers, answered.kind)
    first = await anext(answered.chunks)
    whole = _whole(first, answered.chunks)
    return StreamingResponse(whole, answered.status, headers, answered.kind)


async def _whole(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        if chunk:
            yield chunk
