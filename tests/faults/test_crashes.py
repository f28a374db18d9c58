"""Processes that are killed or told to stop, and what is left of the others."""

import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.cells.stock_phoenix import until
from tests.faults.processes import kill, processes, tree, until_gone
from tests.faults.small import SUBSCRIPTION, small_roost
from tests.installation import Installation


@pytest.fixture(scope="module")
def roost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with small_roost(tmp_path_factory.mktemp("crashes")) as one:
        one.tenant("acme")
        yield one


@pytest.fixture(scope="module")
def key(roost: Installation) -> str:
    return roost.key("acme", "write", "ingest")


@pytest.fixture
def client(roost: Installation, key: str) -> Iterator[httpx.Client]:
    """Of a cell that is awake, and the only one."""
    with roost.client(key) as one:
        until(lambda: one.get("/v1/projects").status_code == 200, "the cell was up", 30)
        if roost.cells().get("default", {}).get("state") == "up":
            roost.cli("cells", "stop", "default")
        yield one


def until_answered(client: httpx.Client, within_s: float) -> float:
    """Seconds until a call succeeds; each before it says when to come back."""
    began = time.monotonic()

    def answered() -> bool:
        answer = client.get("/v1/projects", timeout=within_s)
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["content-type"] == "application/problem+json"
        else:
            assert answer.status_code == 200, answer.text
        return answer.status_code == 200

    until(answered, "the cell answered", within_s)
    return time.monotonic() - began


def test_a_killed_cell_is_back_within_five_seconds(
    roost: Installation, client: httpx.Client
) -> None:
    kill(processes(roost)["cell"])
    assert until_answered(client, 15) <= 5


def test_a_stream_of_a_killed_cell_is_cut_and_not_ended(
    roost: Installation, client: httpx.Client
) -> None:
    with client.stream("POST", "/graphql", json=SUBSCRIPTION) as answer:
        parts = answer.iter_raw()
        assert b"payload" in next(parts)
        kill(processes(roost)["cell"])
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)
    until_answered(client, 15)


def test_a_killed_zygote_takes_its_cells_along_and_both_come_back(
    roost: Installation, client: httpx.Client
) -> None:
    before = processes(roost)
    kill(before["zygote"])
    until_gone([before["zygote"], before["cell"]], 5)
    until_answered(client, 30)
    after = processes(roost)
    assert after["keeper"] == before["keeper"]
    assert after["zygote"] != before["zygote"]


def test_a_killed_keeper_is_started_again_under_the_same_gateway(
    roost: Installation, client: httpx.Client
) -> None:
    before = processes(roost)
    kill(before["keeper"])
    until_gone([before["keeper"], before["zygote"], before["cell"]], 5)
    until_answered(client, 40)
    after = processes(roost)
    assert after["up"] == before["up"]
    assert after["keeper"] != before["keeper"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_a_signal_stops_everything_though_a_stream_is_open(
    roost: Installation, client: httpx.Client, key: str, number: signal.Signals
) -> None:
    everyone = tree(roost.process.pid)
    log = roost.data_dir / "up.log"
    began, seen = time.monotonic(), log.stat().st_size
    with client.stream("POST", "/graphql", json=SUBSCRIPTION) as answer:
        next(answer.iter_raw())
        os.kill(roost.process.pid, number)
        assert roost.process.wait(30) == 0
    assert time.monotonic() - began < 20
    until_gone(everyone, 5)
    assert "Traceback" not in log.read_bytes()[seen:].decode()
    roost.start()
    with roost.client(key) as again:
        until_answered(again, 30)


def test_a_signal_stops_a_roost_that_is_only_starting(roost: Installation) -> None:
    roost.stop()
    seen = (roost.data_dir / "up.log").stat().st_size
    roost.launch()
    until(lambda: len(tree(roost.process.pid)) > 1, "a keeper was begun", 20)
    everyone = tree(roost.process.pid)
    os.kill(roost.process.pid, signal.SIGINT)
    assert roost.process.wait(20) == 0
    until_gone(everyone, 5)
    assert "Traceback" not in (roost.data_dir / "up.log").read_bytes()[seen:].decode()
    roost.start()


def test_nothing_outlives_a_killed_roost_up(roost: Installation, client: httpx.Client) -> None:
    everyone = tree(roost.process.pid)
    kill(roost.process.pid)
    roost.process.wait()
    assert until_gone(everyone, 20) < 15
