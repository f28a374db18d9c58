"""Disks, quotas, processes and Phoenixes that fail under spans, and what is left of those that were
acknowledged.

The Phoenix is the one that does as it is told; kills at random moments around the real one are
`make soak`.
"""

import os
import secrets
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from tests.cells.stock_phoenix import require, until
from tests.faults.fed import Fed, feed
from tests.faults.processes import kill, kind_of, processes, tree, until_gone
from tests.faults.small import small_roost
from tests.ingest.spans import group, request, span
from tests.installation import Installation

QUOTA_MB = 64
CELL_TIMEOUT_S = 30.0
"""How long a call to a cell may take."""
SETTINGS = {"ROOST_LOG_QUOTA_MB": str(QUOTA_MB), "ROOST_CELLS_AWAKE_MAX": "16"}


@pytest.fixture(scope="module")
def roost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with small_roost(tmp_path_factory.mktemp("ingest"), SETTINGS) as one:
        yield one


@pytest.fixture(scope="module")
def hung(roost: Installation) -> tuple[Fed, float]:
    """A tenant whose Phoenix has been given spans and says nothing, and since when."""
    [fed] = feed(roost, "hung")
    fed.tell("hang")
    fed.take("a", "b")
    return fed, time.monotonic()


@pytest.fixture
def fed(roost: Installation, hung: tuple[Fed, float], request: pytest.FixtureRequest) -> Fed:
    """A tenant of this test's own, beside the one whose Phoenix hangs."""
    slug = request.node.name.removeprefix("test_").replace("_", "-")[:40].strip("-")
    [one] = feed(roost, slug)
    return one


def large(size_bytes: int) -> bytes:
    """A batch that hardly shrinks."""
    one = span("large", secrets.token_bytes(16), secrets.token_bytes(8))
    text = AnyValue(string_value=secrets.token_hex(size_bytes // 2))
    one.attributes.append(KeyValue(key="input.value", value=text))
    return request(group([one])).SerializeToString()


def until_refused(fed: Fed, size_bytes: int, most: int) -> tuple[int, httpx.Response]:
    """How many large spans were acknowledged, and the answer to the next."""
    for taken in range(most):
        answer = fed.post(large(size_bytes))
        if answer.status_code != 200:
            return taken, answer
    raise AssertionError(f"{most} batches of {size_bytes} bytes were taken")


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[None]:
    """A file system of its own."""
    at.mkdir(mode=0o700, parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(at)]
    made = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False)
    require(made and made.returncode == 0, "the right to mount a tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def test_spans_go_through(fed: Fed) -> None:
    fed.take("a", "b")
    fed.until_settled()
    assert fed.stored == ["a", "b"]


def test_a_full_disk_is_told_and_loses_nothing(fed: Fed) -> None:
    log = fed.cell.parent / "log"
    with small_disk(log, "4m"):
        fed.tell("busy")
        taken, refused = until_refused(fed, 400_000, 40)
        assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (503, True)
        assert taken > 0
        subprocess.run(["mount", "-o", "remount,size=64m", str(log)], check=True)
        fed.take("after")
        fed.tell("")
        fed.until_settled()
        assert [name for name in fed.stored if name == "after"] == ["after"]
        assert len(fed.stored) - 1 in (taken, taken + 1)  # what was refused may be there


def test_a_full_quota_is_told_and_a_deletion_is_still_taken(fed: Fed, roost: Installation) -> None:
    [other] = feed(roost, "within-its-quota")
    trace = secrets.token_hex(16)
    fed.take("gone", trace=trace)
    taken, refused = until_refused(fed, 6_000_000, 2 * QUOTA_MB)
    assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (429, True)
    other.take("a")
    fed.delete(trace)
    fed.until_settled()
    assert fed.stored == ["large"] * taken


def test_a_phoenix_that_is_busy_gets_everything_later(fed: Fed) -> None:
    fed.tell("busy")
    fed.take("a", "b")
    fed.take("c")
    until(lambda: fed.row().received >= 2, "both are in the log", 10)
    assert fed.stored == []
    fed.tell("")
    fed.until_settled()
    assert (fed.stored, fed.parked()) == (["a", "b", "c"], [])


def test_one_span_that_phoenix_rejects_is_parked_with_the_reason(fed: Fed) -> None:
    fed.tell("refuse d")
    fed.take(*"abcdefg")
    fed.until_settled()
    assert (fed.stored, fed.parked()) == ([*"abcefg"], ["Phoenix refused it with 400"])


def cell_of(roost: Installation, fed: Fed) -> int:
    """The process id of the tenant's Phoenix."""
    pids = [pid for pid in tree(roost.process.pid) if kind_of(pid) == "cell"]
    return next(pid for pid in pids if Path(f"/proc/{pid}/cwd").readlink() == fed.cell)


def test_what_a_killed_phoenix_had_in_memory_is_sent_again(fed: Fed, roost: Installation) -> None:
    fed.tell("keep")
    fed.take("a", "b", "c")
    until(lambda: fed.row().unconfirmed == 3, "they are in its memory", 10)
    kill(cell_of(roost, fed))
    fed.tell("")
    fed.until_settled()
    assert fed.stored == ["a", "b", "c"]


def test_a_phoenix_that_hangs_is_given_up_and_gets_everything_later(
    hung: tuple[Fed, float],
) -> None:
    """Everybody above has gone on beside it, and killing the keeper would help it on."""
    fed, since = hung
    left_s = CELL_TIMEOUT_S - (time.monotonic() - since)
    fed.until_fault("TimeoutError", max(left_s, 0) + 20)
    fed.tell("")
    fed.until_settled(max(left_s, 0) + 20)
    assert fed.stored == ["a", "b"]


def test_what_a_killed_keeper_had_not_sent_on_is_sent(fed: Fed, roost: Installation) -> None:
    fed.tell("busy")
    gone = secrets.token_hex(16)
    fed.take("gone", trace=gone)
    fed.take("a", "b")
    fed.delete(gone)
    kill(processes(roost)["keeper"])
    fed.tell("")
    fed.until_settled(30)
    assert fed.stored == ["a", "b"]


def sent_until_it_breaks(fed: Fed, worker: int) -> list[str]:
    """Sends pairs of spans of one name until nobody answers; the names that were acknowledged."""
    names: list[str] = []
    while True:
        name = f"{worker}-{len(names)}"
        try:
            answer = fed.send([name, name])
        except httpx.TransportError:
            return names
        assert answer.status_code == 200, answer.text
        names.append(name)


def test_a_batch_in_the_hands_of_a_killed_gateway_is_there_as_a_whole_or_not_at_all(
    fed: Fed, roost: Installation
) -> None:
    everyone = processes(roost)
    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(sent_until_it_breaks, fed, worker) for worker in range(4)]
        until(lambda: fed.row().received > 20, "batches came in", 10)
        kill(everyone["up"])
        acknowledged = {name for one in sending for name in one.result(40)}
    roost.process.wait()
    until_gone([everyone["keeper"]], 30)
    roost.start()
    fed.until_settled(30)
    times = Counter(fed.stored)
    assert acknowledged <= set(times)
    assert set(times.values()) == {2}
