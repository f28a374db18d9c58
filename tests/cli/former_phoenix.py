"""A stock Phoenix that a team has used before it came to Roost, and a door that can be shut."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.cells.stock_phoenix import free_port, phoenix, until
from tests.ingest.spans import PROTOBUF, group, request

CHAT, DOCS = "chat", "docs/2026"
SPANS_OF_A_TRACE = 6
CHAT_SPANS, DOCS_SPANS = 520, 30
"""More than a slice, and less than one."""
SECRET = "adm1n-secret-of-the-former-phoenix-0123456789"
_START_NS = 1_764_151_200_000_123_000
_STORED_S = 90.0


@dataclass(frozen=True)
class FormerPhoenix:
    url: str
    file: Path

    @property
    def client(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {SECRET}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def spans(self, project: str) -> dict[str, dict[str, Any]]:
        """What Phoenix tells of them, by id."""
        with self.client as client:
            projects = client.get("/v1/projects").json()["data"]
            row = next((one["id"] for one in projects if one["name"] == project), None)
            if row is None:
                return {}
            told = client.get(f"/v1/projects/{row}/spans", params={"limit": 1000}).json()["data"]
        return {one["context"]["span_id"]: one for one in told}

    def send(self, project: str, first: int, count: int) -> None:
        spans = [_span(project, number) for number in range(first, first + count)]
        body = request(group(spans, project)).SerializeToString()
        with self.client as client:
            answer = client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
            assert answer.status_code == 200, answer.text
        until(lambda: len(self.spans(project)) >= first + count, "it was stored", _STORED_S)

    def annotate(self, of: str, target: str, **said: object) -> None:
        kind = {"annotator_kind": "HUMAN", "identifier": "px-app:3", **said}
        with self.client as client:
            body = {"data": [{f"{of}_id": target, **kind}]}
            answer = client.post(f"/v1/{of}_annotations?sync=true", json=body)
            assert answer.status_code == 200, answer.text


@contextmanager
def former_phoenix(directory: Path) -> Iterator[FormerPhoenix]:
    """Filled."""
    port = free_port()
    environment = {
        "PHOENIX_WORKING_DIR": str(directory),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_ENABLE_AUTH": "true",
        "PHOENIX_SECRET": "s3cret-of-the-former-phoenix-0123456789",
        "PHOENIX_ADMIN_SECRET": SECRET,
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    one = FormerPhoenix(f"http://127.0.0.1:{port}", directory / "phoenix.db")
    with phoenix(environment, one.url, directory / "phoenix.log"):
        one.send(CHAT, 0, CHAT_SPANS)
        one.send(DOCS, 0, DOCS_SPANS)
        one.annotate("span", span_id(CHAT, 0), name="quality", result={"label": "good"})
        one.annotate("trace", trace_id(CHAT, 0), name="quality", result={"score": 0.5})
        one.annotate("session", "session-0", name="mood", result={"explanation": "fine"})
        yield one


@contextmanager
def door(url: str, pages: int) -> Iterator[tuple[str, threading.Event]]:
    """The same Phoenix at another address, where no more than so many pages of spans are told; the
    event is set when another is asked for."""
    asked, shut = threading.Event(), threading.Event()
    left = [pages]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "/spans?" in self.path and "limit=1&" not in self.path:
                left[0] -= 1
                if left[0] < 0:
                    asked.set()
                    shut.wait(60)
                    return
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["content-length"])))

        def _pass_on(self, body: bytes | None) -> None:
            names = ("authorization", "content-type")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            asking = urllib.request.Request(url + self.path, body, headers)  # noqa: S310
            try:
                with urllib.request.urlopen(asking, timeout=30) as answer:  # noqa: S310
                    status, content = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                status, content = error.code, error.read()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        shut.set()
        server.shutdown()
        thread.join()
        server.server_close()


def trace_id(project: str, number: int) -> str:
    return f"{'ab'[project == DOCS]}{number // SPANS_OF_A_TRACE:031x}"


def span_id(project: str, number: int) -> str:
    return f"{'12'[project == DOCS]}{number:015x}"


def _span(project: str, number: int) -> Span:
    root = number - number % SPANS_OF_A_TRACE
    start = _START_NS + number * 1_000_000
    failed = number % 10 == 1
    made = Span(
        trace_id=bytes.fromhex(trace_id(project, number)),
        span_id=bytes.fromhex(span_id(project, number)),
        parent_span_id=b"" if number == root else bytes.fromhex(span_id(project, root)),
        name=f"span {number}",
        start_time_unix_nano=start,
        end_time_unix_nano=start + 5_000_000,
        status=_FAILED if failed else _FINE,
        attributes=_ATTRIBUTES if number % 3 else (),
    )
    if failed:
        attributes = [KeyValue(key="exception.message", value=AnyValue(string_value="boom"))]
        made.events.add(name="exception", time_unix_nano=start, attributes=attributes)
    if number % 3:
        session = AnyValue(string_value=f"session-{number // 60}")
        made.attributes.append(KeyValue(key="session.id", value=session))
    return made


_FAILED = Status(code=Status.STATUS_CODE_ERROR, message="no")
_FINE = Status(code=Status.STATUS_CODE_OK)
_ATTRIBUTES = [
    KeyValue(key=key, value=value)
    for key, value in {
        "openinference.span.kind": AnyValue(string_value="LLM"),
        "llm.model_name": AnyValue(string_value="gpt-4o"),
        "llm.token_count.prompt": AnyValue(int_value=7),
        "llm.input_messages.0.message.role": AnyValue(string_value="user"),
        "llm.input_messages.0.message.content": AnyValue(string_value="Schöne Grüße ☃"),
        "metadata": AnyValue(string_value='{"team": {"name": "blue"}}'),
        "share": AnyValue(double_value=0.5),
        "flag": AnyValue(bool_value=True),
        "tag.tags": AnyValue(
            array_value=ArrayValue(values=[AnyValue(string_value="a"), AnyValue(string_value="b")])
        ),
    }.items()
]
