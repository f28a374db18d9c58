"""What Roost's own API costs its caller: a whole Roost as processes, asked through the gateway.

    .venv/bin/python bench/api.py --spans 100000

Sends made-up traces (`bench/traces.py`) by OTLP and one of 10,000 spans, keeps them from Phoenix by
policy, and asks each call many times on one connection. Prints p50 and p95 in milliseconds, the CPU
time of gateway and keeper together, and what is on the wire. The exit code is 1 where a target is
missed. Absolute times move with the machine.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from bench.traces import DAY_NS, NOW_NS, Scale, Traces
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.cells.stock_phoenix import until
from tests.faults.processes import kind_of, tree
from tests.faults.small import small_roost
from tests.installation import BASE, Installation

BIG = 10_000
SCALE = Scale(projects=("default", "staging", "evals"))
SINCE_S, UNTIL_S = (NOW_NS - 30 * DAY_NS) // 10**9, NOW_NS // 10**9
RANGE = f"since={SINCE_S}&until={UNTIL_S}"
PROTOBUF = {"content-type": "application/x-protobuf"}
INDEXED_S = 600.0


@dataclass(frozen=True)
class Target:
    p95_ms: float
    wire_bytes: int = 0


@dataclass(frozen=True)
class Asked:
    name: str
    path: str
    target: Target | None = None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    settings = {"ROOST_FORWARD_POLICY": "*=sample:0", "ROOST_REQUESTS_PER_MINUTE": "1000000"}
    with (
        tempfile.TemporaryDirectory() as folder,
        small_roost(Path(folder) / "data", settings) as roost,
    ):
        roost.tenant("acme")
        big, number = fill(roost, options.spans)
        key = roost.key("acme", "read")
        with roost.client(key) as client:
            asked = calls(client, big)
        caller = Caller(roost.port, key)
        pids = [pid for pid in tree(roost.process.pid) if kind_of(pid) in ("up", "keeper")]
        print(f"{'':26}{'p50':>8}{'p95':>8}{'CPU':>8} ms")
        missed = [one for one in asked if not measure(caller, one, options.rounds, pids)]
        export(caller, number)
    sys.exit(bool(missed))


def fill(roost: Installation, spans: int) -> tuple[str, int]:
    """The id of the large trace, and how many traces there are."""
    traces = Traces(7, SCALE)
    large = traces.trace_batches(BIG)
    ids = set[bytes]()
    began = time.perf_counter()
    with roost.client(roost.key("acme", "ingest")) as client:
        for body in (*traces.batches(spans), *large):
            ids.update(trace_ids(body))
            client.post("/v1/traces", content=body, headers=PROTOBUF).raise_for_status()
    took_s = time.perf_counter() - began
    print(f"{spans + BIG} spans in {len(ids)} traces, sent in {took_s:.0f} s")
    with roost.client(roost.key("acme", "write")) as client:

        def is_indexed() -> bool:
            state = client.get("/api/ingest").json()
            return bool(state["indexed"] == state["received"] == state["settled"])

        until(is_indexed, "all was indexed", INDEXED_S)
    return next(trace_ids(large[0])).hex(), len(ids)


def trace_ids(body: bytes) -> Iterator[bytes]:
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                yield span.trace_id


def calls(client: httpx.Client, big: str) -> Sequence[Asked]:
    row = client.get("/api/traces?limit=1").json()["traces"][0]
    body = f"/api/traces/{row['trace_id']}/spans/{row['root_span_id']}"
    return (
        Asked("liveness: the floor", "/healthz"),
        Asked("list of 50", "/api/traces?project=default", Target(15.0)),
        Asked("list of 50, by latency", "/api/traces?project=default&sort=-latency", Target(15.0)),
        Asked("list of 50, one user", "/api/traces?user=user-1", Target(15.0)),
        Asked("count", "/api/traces/count?has_errors=true"),
        Asked("facets", "/api/traces/facets"),
        Asked("histogram, 30 days", f"/api/traces/histogram?{RANGE}"),
        Asked("usage, 30 days", f"/api/usage?{RANGE}", Target(10.0)),
        Asked("usage, 30 days by model", f"/api/usage?{RANGE}&by=model", Target(10.0)),
        Asked("cost by user, 30 days", f"/api/usage/users?{RANGE}"),
        Asked("sessions", "/api/sessions"),
        Asked("one span", body),
        Asked("tree of 10,000 spans", f"/api/traces/{big}/skeleton", Target(300.0, 250_000)),
    )


class Caller:
    """One connection of the plainest client there is, so that what is measured is Roost."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port)
        self._headers = {"authorization": f"Bearer {key}", "accept-encoding": "gzip"}

    def get(self, path: str) -> int:
        """How many bytes came."""
        self._connection.request("GET", f"{BASE}{path}", headers=self._headers)
        answer = self._connection.getresponse()
        size = 0
        while chunk := answer.read(256 * 1024):
            size += len(chunk)
        if answer.status != 200:
            raise SystemExit(f"{path} was answered with {answer.status}")
        return size


def measure(caller: Caller, asked: Asked, rounds: int, pids: Sequence[int]) -> bool:
    """Whether it is within its target, where it has one."""
    times: list[float] = []
    wire = caller.get(asked.path)
    before = sum(map(cpu_ms, pids))
    for _ in range(rounds):
        began = time.perf_counter()
        caller.get(asked.path)
        times.append((time.perf_counter() - began) * 1_000)
    cpu = (sum(map(cpu_ms, pids)) - before) / rounds
    p50, p95 = at(times, 0.5), at(times, 0.95)
    target = asked.target
    is_met = target is None or (
        p95 <= target.p95_ms and (not target.wire_bytes or wire <= target.wire_bytes)
    )
    said = "" if target is None else f"  ≤ {target.p95_ms:.0f} ms" + ("" if is_met else "  missed")
    print(f"{asked.name:26}{p50:8.1f}{p95:8.1f}{cpu:8.1f}    {wire:10,} B{said}")
    return is_met


def cpu_ms(pid: int) -> float:
    """What the process has used so far, in user and kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000 / os.sysconf("SC_CLK_TCK")


def export(caller: Caller, traces: int) -> None:
    for name, query in (("export, rows", ""), ("export, bodies as CSV", "?bodies=true&format=csv")):
        began = time.perf_counter()
        size = caller.get(f"/api/traces/export{query}")
        took_s = time.perf_counter() - began
        print(f"{name:26}{traces / took_s:8.0f} traces/s {size / took_s / 1e6:6.1f} MB/s")


def at(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


if __name__ == "__main__":
    main()
