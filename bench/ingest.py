"""What an acknowledgement costs and how fast spans go on: a whole Roost with the real Phoenix, and
beside it, in the same run, a stock Phoenix that takes the same batches into its memory.

Roost's 200 is durable, Phoenix's is not. Latency is counted from when a batch was due, so that a
stall is not hidden by a sender that waits. Then, without any Phoenix, the keeper's memory while the
log grows.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from bench.live import rss_mb
from bench.traces import Traces
from tests.cells.stock_phoenix import free_port, phoenix, until
from tests.faults.processes import processes
from tests.faults.small import small_roost
from tests.installation import Installation

from roost.http import messages as m
from roost.http.keeper_client import KeeperClient
from roost.http.messages import socket_path

TENANT = "default"
BATCH_SPANS, LARGE_BATCH_SPANS = 100, 512
BURST_PER_S, P99_MS, GROWTH_MB = 10_000.0, 250.0, 48.0
STEADY_PER_S = 5_000.0
PHOENIX_QUEUE = 20_000
"""Above it Phoenix answers 503."""
WARM_S, CATCH_UP_S = 30.0, 10.0
SETTINGS = {"ROOST_REQUESTS_PER_MINUTE": "1000000"}
PROTOBUF = {"content-type": "application/x-protobuf"}


@dataclass(slots=True)
class Target:
    """Where spans are sent to, and what came of it."""

    url: str
    session: aiohttp.ClientSession
    took_ms: list[float] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)

    async def send(self, body: bytes, due: float) -> None:
        async with self.session.post(self.url, data=body) as answer:
            await answer.read()
        self.took_ms.append((time.monotonic() - due) * 1000)
        if answer.status != 200:
            self.refused[answer.status] = self.refused.get(answer.status, 0) + 1

    def percentile(self, part: float) -> float:
        ordered = sorted(self.took_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


async def burst(url: str, key: str, spans: int, seed: int, senders: int = 8) -> float:
    """Spans a second that are taken from senders who do not pause."""
    bodies = iter(list(Traces(seed).batches(spans, LARGE_BATCH_SPANS)))
    async with target_at(url, key) as target:

        async def send_on() -> None:
            for body in bodies:
                await target.send(body, time.monotonic())

        began = time.monotonic()
        await asyncio.gather(*(send_on() for _ in range(senders)))
        took_s = time.monotonic() - began
    if target.refused:
        print(f"  refused of {len(target.took_ms)} batches: {target.refused}")
    return spans / took_s


async def steady(target: Target, per_s: float, seconds: float, seed: int) -> None:
    """That many spans a second, whatever is answered; batches are made as they are needed."""
    bodies = Traces(seed).batches(round(per_s * seconds), BATCH_SPANS)
    began, number = time.monotonic(), 0
    async with asyncio.TaskGroup() as tasks:
        while (body := await asyncio.to_thread(next, bodies, None)) is not None:
            due = began + number * BATCH_SPANS / per_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.create_task(target.send(body, due))
            number += 1


@asynccontextmanager
async def target_at(url: str, key: str = "") -> AsyncIterator[Target]:
    headers = PROTOBUF | ({"authorization": f"Bearer {key}"} if key else {})
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Target(url, session)


def cpu_of(roost: Installation) -> dict[str, float]:
    """Seconds so far; the gateway is in the process of `roost up`."""
    there = processes(roost)
    return {"gateway": cpu_s_of(there["up"]), "keeper": cpu_s_of(there["keeper"])}


def cpu_s_of(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def row_of(roost: Installation) -> m.IngestRow:
    async with KeeperClient(socket_path(roost.data_dir)) as keeper:
        rows = await keeper.ask("ingest/status", list[m.IngestRow])
    return next(row for row in rows if row.tenant == TENANT)


@dataclass(slots=True)
class Bench:
    missed: list[str] = field(default_factory=list)

    def tell(self, what: str, value: float, unit: str, least: float | None = None) -> None:
        print(f"{what:<58}{value:10.1f} {unit}", flush=True)
        if least is not None and value < least:
            self.missed.append(f"{what}: {value:.0f} {unit}, less than {least:.0f}")

    async def acknowledgement(
        self, roost: Installation, key: str, seconds: float
    ) -> Sequence[float]:
        """Of Roost: burst rate, p50 and p99 at the steady rate."""
        url = f"{roost.base}/v1/traces"
        rates = [await burst(url, key, 20_000, seed=10 + number) for number in range(3)]
        await asyncio.sleep(CATCH_UP_S)
        before = cpu_of(roost)
        async with target_at(url, key) as target:
            await steady(target, STEADY_PER_S, seconds, seed=2)
        for kind, cpu_s in cpu_of(roost).items():
            cost_us = (cpu_s - before[kind]) / (STEADY_PER_S * seconds) * 1e6
            self.tell(f"CPU of {kind} at {STEADY_PER_S:.0f} spans/s", cost_us, "µs a span")
        p50, p99 = target.percentile(0.5), target.percentile(0.99)
        self.tell("Roost, burst, acknowledged and durable", max(rates), "spans/s", BURST_PER_S)
        self.tell(f"Roost, p50 at {STEADY_PER_S:.0f} spans/s", p50, "ms")
        self.tell(f"Roost, p99 at {STEADY_PER_S:.0f} spans/s", p99, "ms")
        if p99 > P99_MS:
            self.missed.append(f"p99 {p99:.0f} ms, more than {P99_MS:.0f}")
        if target.refused:
            self.missed.append(f"refused at the steady rate: {target.refused}")
        return max(rates), p50, p99

    async def alone(self, url: str) -> Sequence[float]:
        """The same of a Phoenix, as far as its queue goes."""
        rate = await burst(url, "", PHOENIX_QUEUE // 2, seed=20)
        await asyncio.sleep(30)
        async with target_at(url) as target:
            await steady(target, STEADY_PER_S, 2, seed=3)
        p50, p99 = target.percentile(0.5), target.percentile(0.99)
        self.tell("Phoenix alone, burst, accepted into memory", rate, "spans/s")
        self.tell(f"Phoenix alone, p50 at {STEADY_PER_S:.0f} spans/s, for 2 s", p50, "ms")
        self.tell(f"Phoenix alone, p99 at {STEADY_PER_S:.0f} spans/s, for 2 s", p99, "ms")
        if target.refused:
            print(f"  Phoenix refused of its {len(target.took_ms)} batches: {target.refused}")
        return rate, p50, p99

    async def forwarding(self, roost: Installation, seconds: float) -> None:
        """While there is more than enough to send on."""
        before, began = await row_of(roost), time.monotonic()
        await asyncio.sleep(seconds)
        after = await row_of(roost)
        rate = (after.confirmed - before.confirmed) / (time.monotonic() - began)
        self.tell("sent on and stored by one cell, sustained", rate, "spans/s")
        if after.settled == after.received:
            self.missed.append("the log ran empty: the cell's rate is higher than was told")

    async def backlog(self, roost: Installation, key: str, seconds: float, per_s: float) -> None:
        """The keeper's memory while its Phoenix does not come up."""
        pid = processes(roost)["keeper"]
        sampled: list[tuple[float, float]] = []
        began = time.monotonic()

        async def sample() -> None:
            while True:
                sampled.append((time.monotonic() - began, rss_mb(pid)))
                await asyncio.sleep(1)

        sampling = asyncio.create_task(sample())
        async with target_at(f"{roost.base}/v1/traces", key) as target:
            await steady(target, per_s, seconds, seed=4)
        sampling.cancel()
        row = await row_of(roost)
        self.tell(f"p99 at {per_s:.0f} spans/s without Phoenix", target.percentile(0.99), "ms")
        _tell_backlog(self, sampled, row)
        if target.refused:
            self.missed.append(f"refused while Phoenix is down: {target.refused}")


def _tell_backlog(bench: Bench, sampled: Sequence[tuple[float, float]], row: m.IngestRow) -> None:
    """Its median at the end beside that after warming up."""
    warm = [size for at, size in sampled if WARM_S <= at < WARM_S + 15]
    last = [size for at, size in sampled if at > sampled[-1][0] - 15]
    growth = statistics.median(last) - statistics.median(warm)
    bench.tell("keeper, after 30 s without Phoenix", statistics.median(warm), "MB")
    bench.tell("keeper, at the end", statistics.median(last), "MB")
    bench.tell("log at the end", row.stored_bytes / 2**20, "MB")
    bench.tell("records that wait for Phoenix", row.received - row.settled, "")
    if growth > GROWTH_MB:
        bench.missed.append(f"the keeper grew by {growth:.0f} MB, more than {GROWTH_MB:.0f}")


@contextmanager
def started(folder: Path) -> Iterator[Installation]:
    roost = Installation(folder / "roost", free_port(), SETTINGS)
    roost.start()
    try:
        until(lambda: roost.cells().get(TENANT, {}).get("state") == "up", "a cell was up", 180)
        yield roost
    finally:
        roost.stop()


@contextmanager
def without_phoenix(folder: Path) -> Iterator[Installation]:
    """Its cells end as soon as they begin."""
    with small_roost(folder / "down", SETTINGS) as roost:
        until(lambda: bool(roost.cells()), "there was a tenant", 60)
        [home] = (roost.data_dir / "homes").iterdir()
        (home / "phoenix").mkdir(exist_ok=True)
        (home / "phoenix" / "fault").write_text("exit")
        roost.cli("cells", "stop", TENANT)
        yield roost


def with_phoenix(bench: Bench, folder: Path, seconds: float) -> None:
    with started(folder) as roost:
        key = roost.key(TENANT, "ingest")
        ours = asyncio.run(bench.acknowledgement(roost, key, seconds))
        asyncio.run(bench.forwarding(roost, 45))
    port = free_port()
    environment = {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
    }
    url = f"http://127.0.0.1:{port}"
    with phoenix(environment, url, folder / "phoenix.log"):
        theirs = asyncio.run(bench.alone(f"{url}/v1/traces"))
    names = ("burst", "p50", "p99")
    ratios = [f"{name} {a / b:.2f}x" for name, a, b in zip(names, ours, theirs, strict=True)]
    print("Roost (durable) beside Phoenix (in memory): " + ", ".join(ratios))


def down(bench: Bench, folder: Path, seconds: float) -> None:
    with without_phoenix(folder) as roost:
        key = roost.key(TENANT, "ingest")
        asyncio.run(bench.backlog(roost, key, seconds, 2_000))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=("up", "down"), default=("up", "down"))
    parser.add_argument("--seconds", type=float, default=20, help="of the steady rate")
    parser.add_argument("--down-seconds", type=float, default=180, help="without Phoenix")
    options = parser.parse_args()
    bench = Bench()
    parts: dict[str, Callable[[Path], None]] = {
        "up": lambda folder: with_phoenix(bench, folder, options.seconds),
        "down": lambda folder: down(bench, folder, options.down_seconds),
    }
    for name in options.parts:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](Path(folder))
    print("missed: " + "; ".join(bench.missed) if bench.missed else "all targets reached")
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
