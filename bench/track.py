"""What `track()` costs its caller, beside `logging.info` and beside an HTTP post waited for.

A collector on loopback answers 202 in a process of its own. Calls come at a host's pace (`--rate` a
second) and in one burst; per call the time that the caller is held up.

`--stored` measures the other end in place of it: so many events into a home on disk, then what is
asked about them.
"""

import argparse
import asyncio
import json
import logging
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from roost.analytics import questions as q
from roost.analytics.event_id import new_event_id
from roost.analytics.events import Batch, Event
from roost.analytics.outbox import Room
from roost.analytics.queries import EventQueries
from roost.analytics.store import EventStore
from roost.analytics.taking import Terms
from roost.analytics.tracker import Analytics
from roost.storage.engine import HOME, open_database, sqlite_url

TARGET_US = 20.0
DAYS = 30
BATCH = 200
PROPERTIES: dict[str, object] = {
    "plan": "pro",
    "rows": 1280,
    "path": "/reports/2026/q3",
    "is_first": False,
    "duration_ms": 41.7,
}
COLLECTOR = """
import http.server, json
class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"accepted": []}'
        self.send_response(202)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
print(server.server_port, flush=True)
server.serve_forever()
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--stored", type=int, metavar="EVENTS")
    options = parser.parse_args()
    if options.stored:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure_home(Path(folder), options.stored))
        return 0
    with subprocess.Popen([sys.executable, "-c", COLLECTOR], stdout=subprocess.PIPE) as collector:
        if collector.stdout is None:
            raise RuntimeError("a pipe was asked for")
        url = f"http://127.0.0.1:{int(collector.stdout.readline())}/api/phoenix"
        try:
            return measure(url, options.calls, options.rate)
        finally:
            collector.kill()


def measure(url: str, calls: int, rate: int) -> int:
    print(f"µs a call, {calls} calls             p50     mean      p99")
    with Analytics(url, "rk_bench", room=Room(count=calls * 2)) as analytics:
        track = lambda: analytics.track("report opened", PROPERTIES, user="ann")  # noqa: E731
        paced = row(f"track(), {rate} a second", timed(track, calls, rate))
        burst = row("track(), in one burst", timed(track, calls, 0))
    with tempfile.TemporaryDirectory() as folder:
        log = logger(Path(folder) / "host.log")
        info = lambda: log.info("report opened user=%s %s", "ann", PROPERTIES)  # noqa: E731
        row(f"logging.info, {rate} a second", timed(info, calls, rate))
        row("logging.info, in one burst", timed(info, calls, 0))
    row("HTTP post, waited for", timed(lambda: post(url), max(100, calls // 40), 0))
    missed = max(paced, burst) > TARGET_US
    print(f"track() {'misses' if missed else 'reaches'} the target of {TARGET_US:.0f} µs (mean)")
    return 1 if missed else 0


def timed(call: Callable[[], None], count: int, rate: int) -> list[float]:
    """Microseconds of each call."""
    call()
    took = []
    began = time.perf_counter()
    for number in range(count):
        if rate and (wait_s := began + number / rate - time.perf_counter()) > 0:
            time.sleep(wait_s)
        start = time.perf_counter_ns()
        call()
        took.append((time.perf_counter_ns() - start) / 1000)
    return took


def row(name: str, took: list[float]) -> float:
    """Prints a row; the mean."""
    mean = statistics.fmean(took)
    p99 = statistics.quantiles(took, n=100)[98]
    print(f"{name:30} {statistics.median(took):8.1f} {mean:8.1f} {p99:8.1f}")
    return mean


def logger(path: Path) -> logging.Logger:
    log = logging.Logger("host")
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    log.addHandler(handler)
    return log


def post(url: str) -> None:
    event = {"name": "report opened", "user": "ann", "properties": PROPERTIES}
    body = json.dumps({"events": [event]}).encode()
    request = urllib.request.Request(f"{url}/api/events", body)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        answer.read()


async def measure_home(folder: Path, count: int) -> None:
    """Days of events of 5,000 people, by eight senders at a time; the median of five questions."""
    engine = await open_database(sqlite_url(folder / "app.db"), HOME)
    now = time.time()
    async with EventStore.open(engine, Terms()) as store:
        turns = asyncio.Semaphore(8)

        async def send(batch: Batch) -> None:
            async with turns:
                await store.add(batch)

        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(send(one) for one in batches(count, now)))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        print(f"{count} events, 8 senders of {BATCH}: {count / took:.0f}/s", end="")
        print(f", {cpu / count * 1e6:.0f} µs of CPU an event")
        alone = [await seconds(send(event_batch(now, 1))) for _ in range(50)]
        print(f"one event alone, p50 {statistics.median(alone) * 1000:.1f} ms")
        queries = EventQueries(engine, 60)
        for name, question in questions(now).items():
            took_s = [await seconds(queries.ask(question)) for _ in range(5)]
            print(f"{name:36} {statistics.median(took_s) * 1000:8.1f} ms")
    await engine.dispose()
    print(f"{size_of(folder) / count:.0f} bytes an event")


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def batches(count: int, now: float) -> Iterator[Batch]:
    for number in range(count // BATCH):
        yield event_batch(now - DAYS * 86_400 * (1 - number * BATCH / count), BATCH)


def event_batch(at: float, count: int) -> Batch:
    events = tuple(an_event(at + number) for number in range(count))
    return Batch(events, tuple(range(count)), (), ())


def an_event(at: float) -> Event:
    at_ms = round(at * 1000)
    person = random.randrange(5000)  # noqa: S311
    plan, name = random.choice(("pro", "free", "team")), random.choice(("opened", "closed"))  # noqa: S311
    properties = json.dumps({**PROPERTIES, "plan": plan})
    return Event(
        new_event_id(at_ms), at_ms, name, f"user-{person}", f"anon-{person:08}", properties, "bench"
    )


def questions(now: float) -> dict[str, q.Question]:
    of = q.Filter(int((now - DAYS * 86_400) * 1000), int(now * 1000))
    pro = q.Filter(of.since_ms, of.until_ms, "opened", where=(q.Where("plan", "pro"),))
    return {
        "events by day": q.Series(of),
        "unique users by day": q.Series(of, q.Step.DAY, q.Measure.USERS),
        "unique users by week": q.Series(of, q.Step.WEEK, q.Measure.USERS),
        "events by hour": q.Series(of, q.Step.HOUR),
        "events by day, a property equal": q.Series(pro),
        "breakdown by a property": q.Breakdown(of, "plan"),
        "breakdown by user": q.Breakdown(of, None),
        "unique users of all days": q.Users(of),
        "names": q.Names(),
    }


async def seconds(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
