"""What stands where Roost will: it keeps the spans it is sent, and echoes all else.

A fake for tests of clients and hosts; that Roost itself takes the same is tested with Roost.
"""

from dataclasses import dataclass, field

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

BASE = "/api/phoenix"
KEY = "rk_test_key"


@dataclass(frozen=True, slots=True)
class Received:
    """`target` is the raw path with its query; `cookies` are names."""

    method: str
    target: str
    cookies: frozenset[str]


@dataclass(slots=True)
class Collector:
    """An ASGI app. `calls` are in order of arrival."""

    batches: list[ExportTraceServiceRequest] = field(default_factory=list)
    calls: list[Received] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for batch in self.batches
            for resource in batch.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    async def _answer(self, request: Request) -> Response:
        path: str = request.scope["raw_path"].decode()
        query = request.scope["query_string"].decode()
        target = f"{path}?{query}" if query else path
        self.calls.append(Received(request.method, target, frozenset(request.cookies)))
        if request.url.path.endswith("/v1/traces"):
            return await self._take(request)
        if request.url.path.endswith("/embed/live.js"):
            return Response("export const connect = () => {};", media_type="text/javascript")
        return PlainTextResponse(target, headers={"cache-control": "no-store"})

    async def _take(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"title": "Sign in first"}, status_code=401)
        body = await request.body()
        if request.headers["content-type"].startswith("application/json"):
            self.batches.append(_of_json(body))
        else:
            self.batches.append(ExportTraceServiceRequest.FromString(body))
        return Response(b"", media_type=request.headers["content-type"])


def _of_json(body: bytes) -> ExportTraceServiceRequest:
    """Ids stay what protobuf makes of hex: enough to count and name spans."""
    return Parse(body, ExportTraceServiceRequest(), ignore_unknown_fields=True)


def text_of(span: Span, name: str) -> str | None:
    """The attribute, or None."""
    found = [one.value.string_value for one in span.attributes if one.key == name]
    return found[0] if found else None
