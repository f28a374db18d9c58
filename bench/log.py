"""What a durable acknowledgement costs: the log of segments, beside one commit for each batch.

Batches are OTLP of about 50 KB, each one different. The contestants take turns, so that a busy
machine is unfair to all alike; compare the rows of one run. `--dsn` adds the log in PostgreSQL.
"""

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from roost.log.base import BEGINNING, Entry, Kind, Log
from roost.log.disk import Disk
from roost.log.postgres import PostgresLog
from roost.log.row import Stamped
from roost.log.segments import SegmentLog
from roost.log.shelf import Shelf
from roost.log.writer import Writer

WRITERS = (1, 16, 64)
SPANS_A_BATCH = 16
BATCHES = 64
IDLE_LOGS = 50
MEBIBYTE = 2**20
_WORDS = Path(__file__).read_text().split()

Append = Callable[[Entry], Awaitable[object]]


@dataclass
class Contestant:
    name: str
    append: Append
    rates: dict[int, list[float]] = field(default_factory=dict)
    latencies_ms: dict[int, list[float]] = field(default_factory=dict)
    cpu_us: dict[int, list[float]] = field(default_factory=dict)

    def rate(self, writers: int) -> float:
        return statistics.median(self.rates[writers])


def batch(chance: random.Random) -> Entry:
    """16 spans of about 3 KB, as an instrumented application sends them."""

    def text(words: int) -> AnyValue:
        return AnyValue(string_value=" ".join(chance.choices(_WORDS, k=words)))

    def span() -> Span:
        attributes = [
            KeyValue(key="openinference.span.kind", value=AnyValue(string_value="LLM")),
            KeyValue(
                key="llm.token_count.total", value=AnyValue(int_value=chance.randrange(9_999))
            ),
            KeyValue(key="session.id", value=AnyValue(string_value=chance.randbytes(16).hex())),
            KeyValue(key="input.value", value=text(155)),
            KeyValue(key="output.value", value=text(155)),
        ]
        start = 1_790_000_000_000_000_000 + chance.randrange(10**12)
        return Span(
            trace_id=chance.randbytes(16),
            span_id=chance.randbytes(8),
            name="ChatCompletion",
            start_time_unix_nano=start,
            end_time_unix_nano=start + 10**9,
            attributes=attributes,
        )

    spans = ScopeSpans(spans=[span() for _ in range(SPANS_A_BATCH)])
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[spans])])
    return Entry(Kind.SPANS, request.SerializeToString())


@asynccontextmanager
async def segments(directory: Path) -> AsyncIterator[Log]:
    log = await SegmentLog.open(directory)
    try:
        yield log
    finally:
        await log.aclose()


@asynccontextmanager
async def one_commit_each(directory: Path) -> AsyncIterator[Append]:
    """The same files by the same writer, but every batch is a commit of its own."""
    disk = Disk()
    writer = Writer(Shelf(directory, disk), disk, 256 * MEBIBYTE)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:
        await loop.run_in_executor(thread, writer.open, 0.0)
        yield lambda entry: loop.run_in_executor(
            thread, writer.commit, [Stamped(time.time(), entry)]
        )
        await loop.run_in_executor(thread, writer.close)


async def measure(
    contestant: Contestant, writers: int, batches: Sequence[Entry], seconds: float
) -> None:
    latencies_ms: list[float] = []
    end = time.perf_counter() + seconds

    async def write(chance: random.Random) -> None:
        while (began := time.perf_counter()) < end:
            await contestant.append(chance.choice(batches))
            latencies_ms.append((time.perf_counter() - began) * 1e3)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[write(random.Random(n)) for n in range(writers)])  # noqa: S311
    count = len(latencies_ms)
    contestant.rates.setdefault(writers, []).append(count / (time.perf_counter() - began))
    contestant.cpu_us.setdefault(writers, []).append((time.process_time() - cpu) / count * 1e6)
    contestant.latencies_ms.setdefault(writers, []).extend(latencies_ms)


def report(contestants: Sequence[Contestant], baseline: Contestant) -> None:
    print(f"{'':22}{'writers':>8}{'acks/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>8}{'ratio':>8}")
    for writers in WRITERS:
        for one in contestants:
            percentiles = statistics.quantiles(one.latencies_ms[writers], n=100)
            print(
                f"{one.name:22}{writers:8}{one.rate(writers):9.0f}{percentiles[49]:9.2f}"
                f"{percentiles[98]:9.2f}{statistics.median(one.cpu_us[writers]):8.0f}"
                f"{one.rate(writers) / baseline.rate(writers):8.2f}"
            )


async def read_all(log: Log) -> str:
    began, after, size_bytes = time.perf_counter(), BEGINNING, 0
    while records := await log.read(after, 4 * MEBIBYTE):
        after = records[-1].position
        size_bytes += sum(len(record.body) for record in records)
    seconds = time.perf_counter() - began
    return (
        f"read back: {after} batches at {size_bytes / MEBIBYTE / seconds:.0f} MiB/s;"
        f" stored in {log.extent.stored_bytes / size_bytes:.0%} of their size"
    )


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def idle(directory: Path, entry: Entry) -> str:
    """What an open log takes that has been written to and read once."""
    threads, resident = threading.active_count(), resident_bytes()
    async with AsyncExitStack() as stack:
        for n in range(IDLE_LOGS):
            log = await stack.enter_async_context(segments(directory / f"idle-{n}"))
            await log.append([entry])
            await log.read(BEGINNING, MEBIBYTE)
        kilobytes = (resident_bytes() - resident) / IDLE_LOGS / 1024
        more = (threading.active_count() - threads) / IDLE_LOGS
    return f"an idle open log: {more:.2f} threads, {kilobytes:.0f} KiB"


async def run(directory: Path, dsn: str | None, rounds: int, seconds: float) -> None:
    chance = random.Random(7)  # noqa: S311 the same batches each time
    batches = [batch(chance) for _ in range(BATCHES)]
    mean = statistics.mean(len(one.body) for one in batches)
    print(f"batches of {mean / 1024:.0f} KiB, {SPANS_A_BATCH} spans each")
    print(await idle(directory, batches[0]))
    async with AsyncExitStack() as stack:
        each = await stack.enter_async_context(one_commit_each(directory / "each"))
        log = await stack.enter_async_context(segments(directory / "log"))
        contestants = [
            Contestant("one commit each", each),
            Contestant("segments", partial(_append, log)),
        ]
        if dsn:
            table = await PostgresLog.open(dsn)
            stack.push_async_callback(table.aclose)
            contestants.append(Contestant("postgres", partial(_append, table)))
        for _ in range(rounds):
            for writers in WRITERS:
                for one in contestants:
                    await measure(one, writers, batches, seconds)
        report(contestants, contestants[0])
        print(await read_all(log))


async def _append(log: Log, entry: Entry) -> object:
    return await log.append([entry])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", help="an empty PostgreSQL database to measure as well")
    parser.add_argument("--directory", type=Path, help="a directory on the disk to measure")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.directory) as name:
        asyncio.run(run(Path(name), asked.dsn, asked.rounds, asked.seconds))


if __name__ == "__main__":
    main()
