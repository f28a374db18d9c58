"""Real servers on loopback beside a test: an ASGI app in a thread, a program in a process."""

import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

DEADLINE_S = 30.0
POLL_S = 0.05


@contextmanager
def app_served(app: ASGIApp) -> Iterator[str]:
    """Its URL, on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)


@contextmanager
def program_served(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], port: int
) -> Iterator[str]:
    """The URL of a program that listens on `port`, from when it answers; then it is ended."""
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        try:
            until(lambda: answers(url) or process.poll() is not None)
            if process.poll() is not None:
                raise AssertionError(f"{command[0]} ended with {process.returncode}")
            yield url
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=DEADLINE_S).close()  # noqa: S310
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline, "too late"
        time.sleep(POLL_S)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
