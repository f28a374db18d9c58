"""Roost, asked over HTTP with a read key: a gateway and a keeper as two processes.

Rule: it is the real thing, as `roost keeper` and `roost gateway` start it; only the home's index is
made beforehand (by `Index.apply`, as the keeper makes it), and its cell sleeps, since nothing that
is asked here needs it.
"""

import gzip
import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.timing import children
from tests.cells.stock_phoenix import free_port, until
from tests.installation import BASE, Installation

TENANT = "bench"
START_S, STOP_S = 60.0, 30.0
SETTINGS = {
    # No zygote: it would import Phoenix beside what is measured.
    "ROOST_LAUNCHER": "spawn",
    "ROOST_REQUESTS_PER_MINUTE": "1000000",
}


@dataclass
class RoostSide:
    connection: http.client.HTTPConnection
    key: str
    pids: Sequence[int]
    received_bytes: int = 0
    """Of the last answer, packed."""

    def get(self, path: str) -> Any:
        """The JSON at `api/<path>`. RuntimeError unless it is a 200."""
        try:
            answer = self._asked(path)
        except http.client.RemoteDisconnected:
            answer = self._asked(path)  # the server has closed what was idle
        said = answer.read()
        self.received_bytes = len(said)
        if answer.getheader("content-encoding") == "gzip":
            said = gzip.decompress(said)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {said[:500]!r}")
        return json.loads(said)

    def _asked(self, path: str) -> http.client.HTTPResponse:
        self.connection.request(
            "GET",
            f"{BASE}/api/{path}",
            headers={"authorization": f"Bearer {self.key}", "accept-encoding": "gzip"},
        )
        return self.connection.getresponse()


def home(data_dir: Path) -> Path:
    """The home of the one tenant, made where there is none."""
    homes = data_dir / "homes"
    if not any(homes.glob("*")):
        installation = Installation(data_dir, free_port(), SETTINGS)
        with _process(installation, "keeper"):
            made = json.loads(installation.cli("tenants", "create", TENANT, "--json"))
        (homes / made["id"]).mkdir(mode=0o700, parents=True)
    (found,) = homes.iterdir()
    return found


@contextmanager
def serving(data_dir: Path) -> Iterator[RoostSide]:
    """Stopped at the end."""
    installation = Installation(data_dir, free_port(), SETTINGS)
    before = children()
    with _process(installation, "keeper"):
        key = installation.key(TENANT, "read")
        with _process(installation, "gateway"):
            until(lambda: _listens(installation.port), "the gateway listened", START_S)
            connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=30)
            yield RoostSide(connection, key, sorted(children() - before))
            connection.close()


def _listens(port: int) -> bool:
    try:
        http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
    except OSError:
        return False
    return True


def _is_answered(path: Path) -> bool:
    """The socket of a keeper that has ended may still lie there."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextmanager
def _process(installation: Installation, command: str) -> Iterator[None]:
    installation.data_dir.mkdir(parents=True, exist_ok=True)
    with (installation.data_dir / f"{command}.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "roost.cli", command],
            env=installation.environment(),
            cwd=installation.data_dir,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        path = installation.data_dir / "keeper.sock"
        until(lambda: _is_answered(path), "a keeper was there", START_S)
        if running.poll() is not None:
            raise RuntimeError(f"roost {command} ended: {installation.data_dir}/{command}.log")
        yield
    finally:
        running.terminate()
        running.wait(STOP_S)
