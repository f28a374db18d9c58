"""Start Phoenix as anybody would, and wait until it answers."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

START_TIMEOUT_S = 180


def require(found: object, what: str) -> None:
    """Skip where something outside Python is missing; fail where CI says it must be there."""
    if found:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI needs it")
    pytest.skip(f"{what} is missing")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(done: Callable[[], bool], what: str, timeout_s: float) -> None:
    """Poll `done` until it holds; AssertionError after the deadline."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, f"{what} not within {timeout_s} s"
        time.sleep(0.1)


@contextmanager
def phoenix(
    environment: Mapping[str, str], url: str, log: Path, prefix: Sequence[str] = ()
) -> Iterator[None]:
    """`phoenix serve` with `environment` alone, answering at `url`; `prefix` runs it elsewhere."""
    command = shutil.which("phoenix", path=str(Path(sys.executable).parent))
    require(command, "Phoenix")
    base = {"PATH": os.environ["PATH"], "HOME": str(log.parent), "OPENBLAS_NUM_THREADS": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, str(command), "serve"],
            env={**base, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: _ready(process, url, log), "Phoenix was up", START_TIMEOUT_S)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    if process.poll() is not None:
        pytest.fail(f"Phoenix ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
