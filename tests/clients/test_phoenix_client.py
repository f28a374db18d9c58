"""`arize-phoenix-client` as its makers ship it, with Roost's URL and a Roost key."""

import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.installation import Installation

Program = Callable[[str], Any]

SCOPES_FOR = {
    "log spans": {"ingest"},
    "list projects": {"read", "write", "admin"},
    "read spans": {"read", "write", "admin"},
    # The client asks for frames by POST, and Phoenix refuses each POST of a viewer.
    "read spans as a frame": {"write", "admin"},
    "create a project": {"write", "admin"},
    "create a dataset": {"write", "admin"},
    "create a prompt": {"write", "admin"},
    "delete a project": {"admin"},
}


@pytest.fixture(scope="module")
def traces(program: Program) -> Any:
    return program("with_traces")


@pytest.fixture(scope="module")
def experiments(program: Program) -> Any:
    return program("with_experiments")


@pytest.fixture(scope="module")
def by_scope(program: Program) -> Any:
    return program("with_each_key")


def test_logged_spans_arrive(traces: Any) -> None:
    assert traces["logged"] == {"queued": 2, "names": ["child", "root"]}


def test_the_client_understands_why_a_span_was_not_taken(traces: Any) -> None:
    queued, duplicates, invalid = 0, 1, 1
    assert traces["refused"] == {
        "again": [queued, duplicates, 0],
        "invalid": [queued, 0, invalid],
    }


def test_spans_are_read_as_a_frame(traces: Any) -> None:
    assert traces["framed"] == {"columns": ["name", "parent_id"], "rows": 1}


def test_spans_are_annotated_at_once_and_later(traces: Any) -> None:
    assert traces["annotated"] == {"made": True, "labels": ["yes", "no"]}


def test_traces_and_sessions_are_listed_with_a_key_that_reads(traces: Any) -> None:
    assert traces["listed"] == {"traces": [2], "sessions": [True], "turns": 1}


def test_the_asynchronous_client_annotates_too(traces: Any) -> None:
    assert traces["asynchronous"] == {"spans": 2, "noted": 1}


def test_a_dataset_is_made_and_grows_by_versions(experiments: Any) -> None:
    assert experiments["datasets"] == {"versions": 2, "first": 2, "last": 3, "listed": True}


def test_an_experiment_runs_and_its_traces_arrive(experiments: Any) -> None:
    assert experiments["experiments"] == {"runs": 3, "scores": [0.0, 1.0, 1.0], "traces": True}


def test_the_asynchronous_client_runs_an_experiment(experiments: Any) -> None:
    assert experiments["asynchronous"] == 3


def test_a_prompt_is_kept_tagged_and_formatted(experiments: Any) -> None:
    assert experiments["prompts"] == {"same": True, "said": "Say hello", "tags": ["production"]}


@pytest.mark.parametrize("call", SCOPES_FOR)
def test_a_call_needs_its_scope(by_scope: Any, call: str) -> None:
    assert {scope for scope, said in by_scope.items() if said[call] == "ok"} == SCOPES_FOR[call]


@pytest.mark.parametrize("call", SCOPES_FOR)
def test_a_refused_key_hears_which_scope_it_lacks(by_scope: Any, call: str) -> None:
    refusals = [said[call] for said in by_scope.values() if said[call] != "ok"]
    assert all("scope `" in told for told in refusals), refusals


@pytest.mark.parametrize(
    ("method", "path", "pointer"),
    [
        ("GET", "/v1/users", "your app's sign-in"),
        ("POST", "/v1/user/api_keys", "`roost keys`"),
        ("POST", "/v1/system/api_keys", "`roost keys`"),
    ],
)
def test_what_roost_does_instead_is_pointed_to(
    roost: Installation, keys: dict[str, str], method: str, path: str, pointer: str
) -> None:
    with roost.client(keys["admin"]) as client:
        answer = client.request(method, path, json={} if method == "POST" else None)
    assert (answer.status_code, pointer in answer.json()["detail"]) == (403, True)


def test_annotation_configs_are_made_and_read(roost: Installation, keys: dict[str, str]) -> None:
    """The client has no call for them; Phoenix's REST has."""
    config = {
        "name": f"tone-{secrets.token_hex(4)}",
        "type": "CATEGORICAL",
        "optimization_direction": "MAXIMIZE",
        "values": [{"label": "kind", "score": 1}],
    }
    with roost.client(keys["all"]) as writer, roost.client(keys["read"]) as reader:
        made = writer.post("/v1/annotation_configs", json=config).json()["data"]
        found = reader.get(f"/v1/annotation_configs/{made['id']}").json()["data"]
        refused = reader.post("/v1/annotation_configs", json=config)
    assert found["name"] == config["name"]
    assert refused.status_code == httpx.codes.FORBIDDEN
