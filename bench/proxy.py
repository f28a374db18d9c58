"""What forwarding costs: Roost beside a direct call, a bare pass-through and nginx.

Everything runs on loopback, in rounds that take turns, so that a busy machine is unfair to all
alike. Latency is one caller's; CPU is the proxy process's own, from /proc, under eight callers.
`--target` measures a gateway that runs already.
"""

import argparse
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent
SIZES = {"2 KB": 2048, "200 KB": 204_800}
LARGE_BYTES = 100 * 1024 * 1024
CALLERS = 8
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ADDED_P50_MS, CPU_RATIO, LARGE_GROWTH_MB = 0.6, 2.0, 32.0
START_TIMEOUT_S, ANSWER_TIMEOUT_S = 30.0, 30.0


@dataclass
class Contestant:
    """`url` and the size make the address; `cpu_us` holds one figure a round and size."""

    name: str
    url: str
    pid: int
    header: str = ""
    latency_ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_us: dict[str, list[float]] = field(default_factory=dict)

    def p50_ms(self, size: str) -> float:
        return statistics.median(self.latency_ms[size])

    def cpu(self, size: str) -> float:
        return statistics.median(self.cpu_us[size])


class Caller:
    """One keep-alive connection that counts what it gets."""

    def __init__(self, url: str, header: str = "") -> None:
        parts = urlsplit(url)
        self._host = (parts.hostname or "", parts.port or 80)
        lines = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{header}\r\n"
        self._request = (lines if not header else lines.replace(header, header + "\r\n")).encode()
        self._socket = socket.create_connection(self._host, ANSWER_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1024 * 1024)

    def ask(self) -> int:
        """The length of the answer's body. RuntimeError unless it is a 200 with a length."""
        self._socket.sendall(self._request)
        view, have = memoryview(self._buffer), 0
        while (end := self._buffer.find(b"\r\n\r\n", 0, have)) < 0:
            have += self._received(view[have:])
        head = bytes(self._buffer[:end]).lower()
        if b" 200 " not in head[:16] or b"content-length: " not in head:
            raise RuntimeError(f"not the answer that was expected: {head[:200]!r}")
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        left = length - (have - end - 4)
        while left > 0:
            left -= self._received(view)
        return length

    def close(self) -> None:
        self._socket.close()

    def _received(self, view: memoryview) -> int:
        got = self._socket.recv_into(view)
        if not got:
            raise RuntimeError("the connection was closed in the middle of an answer")
        return got


def measure(one: Contestant, size: str, count: int) -> None:
    caller = Caller(f"{one.url}/{SIZES[size]}", one.header)
    samples = one.latency_ms.setdefault(size, [])
    for _ in range(count):
        began = time.perf_counter()
        caller.ask()
        samples.append((time.perf_counter() - began) * 1000)
    caller.close()
    one.cpu_us.setdefault(size, []).append(_cpu_us_a_request(one, size, count))


def _cpu_us_a_request(one: Contestant, size: str, count: int) -> float:
    callers = [Caller(f"{one.url}/{SIZES[size]}", one.header) for _ in range(CALLERS)]

    def run(caller: Caller) -> None:
        for _ in range(count // 2):
            caller.ask()

    before = _cpu_s(one.pid)
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(run, callers))
    spent = _cpu_s(one.pid) - before
    for caller in callers:
        caller.close()
    return spent * 1e6 / (CALLERS * (count // 2))


def _cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS_PER_S


def growth_mb(one: Contestant) -> float:
    """How far the process's peak memory rises while one large answer passes."""
    Path(f"/proc/{one.pid}/clear_refs").write_text("5")
    before = _peak_kib(one.pid)
    caller = Caller(f"{one.url}/{LARGE_BYTES}", one.header)
    caller.ask()
    caller.close()
    return (_peak_kib(one.pid) - before) / 1024


def _peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@contextlib.contextmanager
def process(command: list[str], port: int) -> Iterator[int]:
    """A server on that port of loopback; its pid."""
    running = subprocess.Popen(command)
    try:
        _wait(port, running)
        yield running.pid
    finally:
        running.terminate()
        running.wait(10)


def _wait(port: int, running: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if running.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"nothing listens on port {port}")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def contestants(key: str) -> Iterator[list[Contestant]]:
    with contextlib.ExitStack() as stack:

        def start(kind: str, *more: str) -> tuple[str, int]:
            port = free_port()
            command = [sys.executable, str(HERE / "servers.py"), kind, str(port), *more]
            return f"http://127.0.0.1:{port}", stack.enter_context(process(command, port))

        origin, origin_pid = start("origin")
        bare, bare_pid = start("bare", origin)
        roost, roost_pid = start("roost", origin)
        header = f"Authorization: Bearer {key}"
        found = [
            Contestant("direct", f"{origin}/v1/projects", origin_pid),
            Contestant("pass-through", f"{bare}/api/phoenix/v1/projects", bare_pid),
            Contestant("roost", f"{roost}/api/phoenix/v1/projects", roost_pid, header),
        ]
        if nginx := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
            port = free_port()
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            command = [nginx, "-e", "stderr", "-c", str(_nginx_conf(directory, port, origin))]
            pid = stack.enter_context(process(command, port))
            found.append(Contestant("nginx", f"http://127.0.0.1:{port}/v1/projects", pid))
        yield found


def _nginx_conf(directory: Path, port: int, origin: str) -> Path:
    paths = "".join(
        f"{kind}_temp_path {directory}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = directory / "nginx.conf"
    conf.write_text(
        f"daemon off; master_process off; pid {directory}/pid; error_log stderr error;\n"
        "events { worker_connections 256; }\n"
        f"http {{ access_log off; {paths}"
        f"upstream origin {{ server {origin.removeprefix('http://')}; keepalive 32; }}\n"
        f"server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000;\n"
        "location / { proxy_pass http://origin; proxy_http_version 1.1;"
        ' proxy_set_header Connection ""; } } }\n'
    )
    return conf


def report(found: list[Contestant], sizes: list[str]) -> None:
    direct = found[0]
    bare = next((one for one in found if one.name == "pass-through"), None)
    for size in sizes:
        print(f"\n{size:<8}{'p50 ms':>14}{'added ms':>10}{'CPU us':>9}{'x pass-through':>16}")
        for one in found:
            added = one.p50_ms(size) - direct.p50_ms(size)
            ratio = f"{one.cpu(size) / bare.cpu(size):.2f}" if bare else ""
            print(
                f"{one.name:<14}{one.p50_ms(size):>8.3f}{added:>10.3f}"
                f"{one.cpu(size):>9.0f}{ratio:>16}"
            )


def misses(found: list[Contestant], growth: float) -> list[str]:
    """The targets that Roost does not reach."""
    by_name = {one.name: one for one in found}
    roost, bare, direct = by_name["roost"], by_name["pass-through"], by_name["direct"]
    missed = []
    for size in SIZES:
        added = roost.p50_ms(size) - direct.p50_ms(size)
        ratio = roost.cpu(size) / bare.cpu(size)
        if added > ADDED_P50_MS:
            missed.append(f"{size}: {added:.3f} ms added, more than {ADDED_P50_MS}")
        if ratio > CPU_RATIO:
            missed.append(f"{size}: {ratio:.2f} x the pass-through's CPU, more than {CPU_RATIO}")
    if growth > LARGE_GROWTH_MB:
        missed.append(f"100 MB: memory grew by {growth:.0f} MB")
    return missed


def compare(rounds: int, count: int) -> int:
    from roost.identity.api_key import mint  # the target's own machine may have no Roost

    with contestants(mint().token) as found:
        for number in range(rounds + 1):
            for size in SIZES:
                for one in found:
                    measure(one, size, count if number else 50)
            if not number:
                for one in found:  # the first round has warmed everything up
                    one.latency_ms.clear()
                    one.cpu_us.clear()
        growth = growth_mb(next(one for one in found if one.name == "roost"))
        report(found, list(SIZES))
    missed = misses(found, growth)
    print(f"\n100 MB through roost: peak memory rises by {growth:.1f} MB")
    print("\n".join(["missed:", *missed]) if missed else "all targets reached")
    return 1 if missed else 0


def observe(options: argparse.Namespace) -> int:
    """One gateway that runs already, beside the cell's own address where one is given."""
    SIZES.clear()
    SIZES[""] = 0
    found = []
    if options.direct:
        found.append(Contestant("direct", options.direct, options.direct_pid, options.header))
    found.append(Contestant("target", options.target, options.pid, options.header))
    for _ in range(options.rounds):
        for one in found:
            measure_url(one, options.count)
    report(found, [""])
    return 0


def measure_url(one: Contestant, count: int) -> None:
    caller = Caller(one.url, one.header)
    before = _cpu_s(one.pid)
    for _ in range(count):
        began = time.perf_counter()
        caller.ask()
        one.latency_ms.setdefault("", []).append((time.perf_counter() - began) * 1000)
    one.cpu_us.setdefault("", []).append((_cpu_s(one.pid) - before) * 1e6 / count)
    caller.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=200, help="calls of one caller a round")
    parser.add_argument("--target", help="URL on a running gateway, asked as it is")
    parser.add_argument("--pid", type=int, help="the process of --target")
    parser.add_argument("--direct", help="the same on the cell itself")
    parser.add_argument("--direct-pid", type=int, help="the process of --direct")
    parser.add_argument("--header", default="", help="as in `Authorization: Bearer …`")
    options = parser.parse_args()
    return observe(options) if options.target else compare(options.rounds, options.count)


if __name__ == "__main__":
    sys.exit(main())
