"""Phoenix, asked what its own web UI asks.

Rule: the GraphQL documents are those in the installed wheel's JavaScript, word for word; only the
variables are ours.
"""

import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bench.phoenix_set import environment
from bench.timing import children
from tests.cells.stock_phoenix import free_port, phoenix
from tests.phoenix_surface import static_directory, surface_of

PAGE_SPANS = 1_000
"""What the trace page asks for at once."""
_NAME = re.compile(r"\s*query\s+(\w+)")

Document = Mapping[str, Any]


@cache
def documents() -> Mapping[str, str]:
    """The queries of the installed UI by name."""
    static = static_directory()
    if static is None:
        raise SystemExit("Phoenix is not installed: pip install 'roost[phoenix]'")
    texts = surface_of('{"routes": [], "schema": ""}', static).ui_documents
    found = ((_NAME.match(text), text) for text in texts)
    return {name[1]: text for name, text in found if name}


@dataclass
class PhoenixSide:
    """A running one. `ask` raises TimeoutError after `timeout_s`."""

    host: str
    port: int
    pids: Sequence[int]
    timeout_s: float
    path: str = "/graphql"
    headers: Mapping[str, str] | None = None
    received_bytes: int = 0
    """Of the last answer, as it came."""
    _projects: dict[str, str] = field(default_factory=dict)

    def ask(self, name: str, variables: Document, within_s: float = 0.0) -> Document:
        """`data` of the answer. RuntimeError where it has errors."""
        body = json.dumps({"query": documents()[name], "variables": variables})
        headers = {"content-type": "application/json", **(self.headers or {})}
        connection = http.client.HTTPConnection(
            self.host, self.port, timeout=within_s or self.timeout_s
        )
        try:
            connection.request("POST", self.path, body, headers)
            said = connection.getresponse().read()
        finally:
            connection.close()
        self.received_bytes = len(said)
        answer: Document = json.loads(said)
        if answer.get("errors") or not answer.get("data"):
            raise RuntimeError(f"{name}: {said[:500]!r}")
        data: Document = answer["data"]
        return data

    def project(self, name: str) -> str:
        """Its Relay id; a page has it from its own URL, so it is asked once."""
        if name not in self._projects:
            edges = self.ask("useAllProjectsQuery", {})["projects"]["edges"]
            self._projects = {edge["node"]["name"]: edge["node"]["id"] for edge in edges}
        return self._projects[name]

    def traces(self, project: str, first: int, **variables: object) -> list[str]:
        """Ids of the traces of a page of the traces table, in its order."""
        data = self.ask("TracesTableQuery", {"id": project, "first": first, **variables})
        return [edge["rootSpan"]["trace"]["traceId"] for edge in data["node"]["rootSpans"]["edges"]]

    def tree(self, project: str, trace_id: str) -> list[str]:
        """The whole of a trace as its page gets it: the first thousand spans, then page by page."""
        ends = time.monotonic() + self.timeout_s
        data = self.ask("TraceDetailsQuery", {"id": project, "traceId": trace_id})
        trace = data["project"]["trace"]
        found, pages = list(_span_ids(trace)), trace["spans"]["pageInfo"]
        while pages["hasNextPage"]:
            if (left := ends - time.monotonic()) <= 0:
                raise TimeoutError
            asked = {"id": trace["id"], "count": PAGE_SPANS, "cursor": pages["endCursor"]}
            node = self.ask("ConnectedTraceTreeQuery", asked, left)["node"]
            found += _span_ids(node)
            pages = node["spans"]["pageInfo"]
        return found


def _span_ids(trace: Document) -> Iterator[str]:
    return (edge["span"]["spanId"] for edge in trace["spans"]["edges"])


@contextmanager
def serving(folder: Path, timeout_s: float) -> Iterator[PhoenixSide]:
    """Stock Phoenix on loopback with the database in `folder`, stopped at the end."""
    port = free_port()
    before = children()
    with phoenix(environment(folder, port), f"http://127.0.0.1:{port}", folder / "phoenix.log"):
        yield PhoenixSide("127.0.0.1", port, sorted(children() - before), timeout_s)
