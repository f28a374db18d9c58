"""A server that keeps the batches it is sent and answers as it is told, for senders of events."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread

Event = dict[str, object]


@dataclass(frozen=True)
class Reply:
    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Request:
    """`content` is the body once unpacked."""

    path: str
    headers: dict[str, str]
    content: bytes
    batch: dict[str, list[Event]]

    @property
    def ids(self) -> list[object]:
        return [event["id"] for event in self.batch["events"]]


class Collector(ThreadingHTTPServer):
    """`replies` are given in order, then 202 with what a Roost would say. `answered` are requests
    that got a 202."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: list[Reply] = []
        self.requests: list[Request] = []
        self.answered: list[Request] = []
        self.changed = Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/phoenix"

    @property
    def events(self) -> list[Event]:
        """Those that were taken."""
        return [event for request in self.answered for event in request.batch["events"]]

    def wait_for_requests(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, 10)

    def wait_for_events(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.events) >= count, 10)


class _Handler(BaseHTTPRequestHandler):
    server: Collector
    protocol_version = "HTTP/1.1"

    def do_OPTIONS(self) -> None:
        self._answer(204, {}, b"")

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            content = gzip.decompress(content)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, content, json.loads(content))
        with self.server.changed:
            reply = self.server.replies.pop(0) if self.server.replies else Reply()
            self.server.requests.append(request)
            if reply.status == 202:
                self.server.answered.append(request)
            self.server.changed.notify_all()
        said = {"accepted": request.ids, "duplicate": [], "withheld": [], "rejected": []}
        body = json.dumps(said).encode() if reply.body is None else reply.body
        self._answer(reply.status, reply.headers, body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("access-control-allow-origin", "*")
        self.send_header("access-control-allow-headers", "*")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
