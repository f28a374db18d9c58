"""What the zygote refuses. What it does is in `test_launcher.py` and `test_real_cells.py`."""

import re
import socket
import subprocess
import sys
import threading

import pytest

from roost.cells import zygote

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks")


def test_one_thread_may_fork_and_two_may_not() -> None:
    ended = threading.Event()
    other = threading.Thread(target=ended.wait, name="other")
    before = zygote.why_unsafe()
    other.start()
    try:
        assert zygote.why_unsafe() != before
        assert re.match(r"\d+ threads: ", zygote.why_unsafe())
    finally:
        ended.set()
        other.join()


def test_it_says_how_it_is_used() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "roost.cells.zygote"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "--once" in ran.stderr


def test_it_ends_at_once_where_its_keeper_is_gone_already() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        command = [sys.executable, "-m", "roost.cells.zygote", str(theirs.fileno()), "1"]
        ran = subprocess.run(command, pass_fds=[theirs.fileno()], timeout=20, check=False)
    assert ran.returncode == 1
