"""Processes that die, sleep and come back, on an installation of its own."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.cells.stock_phoenix import free_port, until
from tests.faults.processes import tree, until_gone
from tests.installation import Installation, installation

PAGE = {"accept": "text/html", "sec-fetch-dest": "iframe"}
SPANS = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "ab" * 16,
                            "spanId": "cd" * 8,
                            "name": "kept",
                            "startTimeUnixNano": "1790000000000000000",
                            "endTimeUnixNano": "1790000001000000000",
                        }
                    ]
                }
            ]
        }
    ]
}


@pytest.fixture(scope="module")
def roost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("faults")) as one:
        one.tenant("acme")
        yield one


@pytest.fixture(scope="module")
def key(roost: Installation) -> str:
    return roost.key("acme", "write", "ingest")


def pid_of(roost: Installation, tenant: str = "acme") -> int:
    """The tenant's cell, woken if it sleeps."""
    with roost.client(roost.cookie("Ann", tenant)) as client:
        assert client.get(f"/t/{tenant}/v1/projects").status_code == 200
    return int(str(roost.cells()[tenant]["pid"]))


def until_it_answers(client: httpx.Client, timeout_s: float) -> float:
    """Seconds until a call succeeds; each call before it is a 503 that says when to come back."""
    began = time.monotonic()

    def answered() -> bool:
        answer = client.get("/v1/projects")
        if answer.status_code != 200:
            assert answer.status_code in (502, 503), answer.text
            assert answer.status_code == 502 or int(answer.headers["retry-after"]) >= 1
        return answer.status_code == 200

    until(answered, "the cell was back", timeout_s)
    return time.monotonic() - began


def test_a_killed_cell_is_back_at_once(roost: Installation, key: str) -> None:
    first = pid_of(roost)
    with roost.client(key) as client:
        os.kill(first, signal.SIGKILL)
        until_it_answers(client, 15)
    assert pid_of(roost) != first


def test_many_who_arrive_at_a_sleeping_cell_start_it_once(roost: Installation, key: str) -> None:
    roost.cli("cells", "stop", "acme")
    assert roost.cells()["acme"]["state"] == "asleep"
    started = roost.cli("cells", "logs", "acme").count("Started server")

    def ask(number: int) -> int:
        with roost.client(key) as client:
            return client.get("/v1/projects").status_code

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(ask, range(20))) == {200}
    assert roost.cli("cells", "logs", "acme").count("Started server") == started + 1


def test_a_page_of_a_sleeping_cell_shows_progress_and_then_phoenix(roost: Installation) -> None:
    roost.cli("cells", "stop", "acme")
    with roost.client(roost.cookie("Ann", "acme")) as client:
        first = client.get("/ui/acme/", headers=PAGE)
        assert first.status_code == 202
        assert 'http-equiv="refresh"' in first.text
        until(lambda: client.get("/ui/acme/", headers=PAGE).status_code == 200, "Phoenix came", 30)


def test_spans_for_a_sleeping_cell_wait_for_it(roost: Installation, key: str) -> None:
    roost.cli("cells", "stop", "acme")
    with roost.client(key) as client:
        assert client.post("/v1/traces", json=SPANS).status_code == 200
        until(lambda: "kept" in client.get("/v1/projects/default/spans").text, "it is stored", 30)


def test_off_hides_everything_but_takes_spans(roost: Installation, key: str) -> None:
    with roost.client(key) as client:
        roost.cli("off")
        until(lambda: client.get("/v1/projects").status_code == 404, "it is off", 5)
        assert client.get("/ui/acme/").status_code == 404
        assert client.get("/api/me").status_code == 404
        assert client.post("/v1/traces", json=SPANS).status_code == 200
        roost.cli("on")
        until(lambda: client.get("/v1/projects").status_code == 200, "it is on", 5)


def test_a_second_keeper_is_refused_by_name(roost: Installation) -> None:
    refused = roost.run("keeper")
    assert refused.returncode == 1
    assert "is held by the keeper with process id" in refused.stderr
    again = roost.run("up")
    assert again.returncode == 1
    assert "port: cannot listen" in again.stderr


def test_a_corrupt_database_is_told_and_nothing_hangs(roost: Installation) -> None:
    roost.tenant("broken")
    pid_of(roost, "broken")
    roost.cli("cells", "stop", "broken")
    database = roost.data_dir / "homes" / home_of(roost, "broken") / "phoenix" / "phoenix.db"
    database.write_bytes(b"this is no database" * 1000)
    with roost.client(roost.cookie("Ann", "broken")) as client:
        answer = client.get("/t/broken/v1/projects")
    assert answer.status_code == 503
    assert "could not be started" in answer.json()["detail"]
    row = roost.cells()["broken"]
    assert row["state"] == "failed"
    assert row["detail"]


def home_of(roost: Installation, slug: str) -> str:
    rows = json.loads(roost.cli("tenants", "list", "--json"))
    return next(str(row["id"]) for row in rows if row["slug"] == slug)


def test_ctrl_c_leaves_nothing_behind_and_a_second_start_finds_all(
    roost: Installation, key: str
) -> None:
    pid_of(roost)
    everyone = tree(roost.process.pid)
    assert len(everyone) >= 4
    began = time.monotonic()
    roost.stop()
    assert roost.process.returncode == 0
    assert time.monotonic() - began < 20
    until_gone(everyone, 5)
    assert "Traceback" not in (roost.data_dir / "up.log").read_text()
    roost.start()
    with roost.client(key) as client:
        until_it_answers(client, 120)
        assert "kept" in client.get("/v1/projects/default/spans").text


def test_a_keeper_that_a_command_started_makes_way(tmp_path: Path) -> None:
    one = Installation(tmp_path, free_port(), {})
    one.tenant("acme")  # no keeper ran, so the command has started one
    one.start()
    try:
        assert "acme" in one.cells()
    finally:
        one.stop()


def test_configuration_errors_come_all_at_once(tmp_path: Path) -> None:
    wrong = {"ROOST_NEXTAUTH_SECRETS": "short", "ROOST_NONSENSE": "1", "ROOST_HOST": "203.0.113.9"}
    one = Installation(tmp_path, free_port(), wrong)
    refused = one.run("up")
    assert refused.returncode == 1
    assert "ROOST_NONSENSE is no setting" in refused.stderr
    assert "shorter than 32" in refused.stderr
    assert "short\n" not in refused.stderr.replace("shorter", "")
