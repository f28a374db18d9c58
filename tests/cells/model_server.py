"""A model endpoint that speaks OpenAI's protocol, for what must pass the egress proxy."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class ModelServer:
    """Streams two words; the second waits for `go_on`, so that a test sees the first pass alone.
    `/echo` tells what arrived, `/blob/<size>` sends bytes, `/cut` breaks off."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.port = 0

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["ModelServer"]:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_route("*", "/echo", self._echo)
        app.router.add_get("/blob/{size}", self._blob)
        app.router.add_get("/cut", self._cut)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.port = int(runner.addresses[0][1])
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        await request.json()
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(_chunk("Hello"))
        await self.go_on.wait()
        await response.write(_chunk(" Ann"))
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        return web.json_response(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": headers,
                "size": len(body),
            }
        )

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(int(request.match_info["size"])))

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response


def _chunk(text: str) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    document = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "tiny",
        "choices": [choice],
    }
    return b"data: " + json.dumps(document).encode() + b"\n\n"
