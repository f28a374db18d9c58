"""A Phoenix of last year, as far as a backfill asks it: newest spans first, whatever the order.

It cannot list annotations of traces and sessions: an unknown path is its page, with 200.
"""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

KEY = "the-key-of-the-older-phoenix"
PAGE = "<!doctype html><html></html>"


@dataclass
class OlderPhoenix:
    """`rows` are its spans by row. `faults` are the statuses of the next answers."""

    rows: dict[int, dict[str, object]] = field(default_factory=dict)
    faults: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    annotations: list[Mapping[str, object]] = field(default_factory=list)
    elsewhere: str = ""
    """Where a redirect leads."""
    new_after_pages: int | None = None
    """After so many pages a span comes in."""

    def add(self, row: int, **changed: object) -> None:
        self.rows[row] = {
            "id": relay("Span", row),
            "name": f"span {row}",
            "context": {"trace_id": f"{row:032x}", "span_id": f"{row:016x}"},
            "span_kind": "UNKNOWN",
            "parent_id": None,
            "start_time": "2026-01-02T03:04:05.000123+00:00",
            "end_time": "2026-01-02T03:04:06+00:00",
            "status_code": "OK",
            "attributes": {"llm.token_count.prompt": 7, "mixed": [1, "two"]},
            "events": [],
            **changed,
        }

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/arize_phoenix_version":
            return web.Response(text="12.4.0")
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return web.Response(status=401)
        if self.faults:
            return web.Response(status=self.faults.pop(0), headers={"location": self.elsewhere})
        return self._listed(request.path, request.query)

    def _listed(self, path: str, query: Mapping[str, str]) -> web.Response:
        match path.rpartition("/")[2]:
            case "projects":
                return _page([{"id": relay("Project", 1), "name": "chat"}])
            case "spans":
                return self._spans(int(query["limit"]), query.get("cursor"))
            case "span_annotations":
                return _page(self.annotations)
            case "users":
                return web.Response(status=403)
        return web.Response(text=PAGE, content_type="text/html")

    def _spans(self, limit: int, cursor: str | None) -> web.Response:
        until = row_of(cursor) if cursor else max(self.rows, default=0)
        rows = sorted((row for row in self.rows if row <= until), reverse=True)
        more = relay("Span", rows[limit]) if len(rows) > limit else None
        answer = _page([self.rows[row] for row in rows[:limit]], more)
        if limit > 1 and self.new_after_pages is not None:
            self.new_after_pages -= 1
            if self.new_after_pages == 0:
                self.add(max(self.rows) + 1)
        return answer


def relay(kind: str, row: int) -> str:
    return base64.b64encode(f"{kind}:{row}".encode()).decode()


def row_of(relay_id: str) -> int:
    return int(base64.b64decode(relay_id).decode().partition(":")[2])


def _page(data: object, next_cursor: str | None = None) -> web.Response:
    return web.json_response({"data": data, "next_cursor": next_cursor})
