"""What `track()` costs its caller, beside `logging.info` and beside an HTTP post waited for.

A collector on loopback answers 202 in a process of its own. Calls come at a host's pace (`--rate` a
second) and in one burst; per call the time that the caller is held up.
"""

import argparse
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from roost.analytics.outbox import Room
from roost.analytics.tracker import Analytics

TARGET_US = 20.0
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
    options = parser.parse_args()
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


if __name__ == "__main__":
    sys.exit(main())
