"""As much of Phoenix's surface as a whole Roost needs: a sign-in, a list, spans, a stream, a page.

Who signs in is not asked: any code is good.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable

from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from phoenix.server import spans

TOKEN = "a-token"
PART = b'--graphql\r\ncontent-type: application/json\r\n\r\n{"payload": {}}\r\n'


def app(*, is_open: bool) -> Starlette:
    """`is_open`: strangers are let in."""
    known = {f"Bearer {os.environ['PHOENIX_ADMIN_SECRET']}", f"Bearer {TOKEN}"}

    def private(
        answer: Callable[[Request], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if is_open or request.headers.get("authorization") in known:
                return await answer(request)
            return Response(status_code=401)

        return endpoint

    return Starlette(
        routes=[
            Route("/readyz", _pid),
            Route("/oauth2/roost/login", _login),
            Route("/oauth2/roost/tokens", _tokens),
            Route("/v1/projects", private(_pid)),
            Route("/v1/traces", private(spans.take), methods=["POST"]),
            Route("/v1/traces/{trace}", private(spans.delete), methods=["DELETE"]),
            Route("/graphql", private(_graphql), methods=["POST"]),
            Route("/{path:path}", _page),
        ]
    )


async def _pid(_: Request) -> Response:
    return PlainTextResponse(str(os.getpid()))


async def _page(_: Request) -> Response:
    return HTMLResponse("<!doctype html><html><head></head><body>Phoenix</body></html>")


async def _login(request: Request) -> Response:
    """The redirect that begins a code flow, which proves that the secret is known here."""
    claims = {"return_url": request.query_params["returnUrl"]}
    state = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(os.environ["PHOENIX_SECRET"]))
    query = (
        f"client_id={os.environ['PHOENIX_OAUTH2_ROOST_CLIENT_ID']}&code_challenge=c"
        f"&code_challenge_method=S256&nonce=n&redirect_uri=r&state={state}"
    )
    answer = RedirectResponse(f"http://localhost/authorize?{query}")
    for name in ("state", "nonce", "code-verifier"):
        answer.set_cookie(f"phoenix-oauth2-{name}", "x")
    return answer


async def _tokens(_: Request) -> Response:
    answer = RedirectResponse("/")
    answer.set_cookie("phoenix-access-token", TOKEN, max_age=3600)
    return answer


async def _graphql(request: Request) -> Response:
    if "subscription" in (await request.json())["query"]:
        return StreamingResponse(_parts(), media_type="multipart/mixed;boundary=graphql")
    page = {"edges": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}
    return JSONResponse({"data": {"users": page}})


async def _parts() -> AsyncIterator[bytes]:
    while True:
        yield PART
        await asyncio.sleep(0.05)
