"""What the log promises, with the real Phoenix behind it."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.cells.stock_phoenix import until
from tests.installation import Installation

TENANT = "logged"
WITHIN_S = 30


@pytest.fixture(scope="module")
def client(roost: Installation) -> Iterator[httpx.Client]:
    """An admin of a tenant of its own, who sends spans too."""
    roost.tenant(TENANT)
    with roost.client(roost.key(TENANT, "admin", "ingest")) as one:
        assert one.get("/v1/projects").status_code == 200
        yield one


def span(trace_id: str, span_id: str = "", name: str = "a") -> dict[str, Any]:
    return {
        "traceId": trace_id,
        "spanId": span_id or secrets.token_hex(8),
        "name": name,
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000001000000000",
    }


def send(client: httpx.Client, *spans: dict[str, Any], project: str = "default") -> None:
    batch = {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}
    answer = client.post("/v1/traces", json=batch, headers={"x-project-name": project})
    assert answer.status_code == 200, answer.text


def new_trace() -> str:
    return secrets.token_hex(16)


def settled(roost: Installation) -> None:
    """All that was received is in Phoenix, parked or left out."""

    def is_through() -> bool:
        rows = json.loads(roost.cli("ingest", "status", "--json"))
        row = next(row for row in rows if row["tenant"] == TENANT)
        return bool(row["settled"] == row["received"])

    until(is_through, "everything was settled", WITHIN_S)


def held(client: httpx.Client, project: str = "default") -> set[str]:
    """The traces that Phoenix holds of the project."""
    answer = client.get(f"/v1/projects/{project}/traces", params={"limit": 1000})
    return (
        {row["trace_id"] for row in answer.json()["data"]} if answer.status_code == 200 else set()
    )


def test_an_annotation_may_come_right_after_its_span(client: httpx.Client) -> None:
    trace, one = new_trace(), secrets.token_hex(8)
    send(client, span(trace, one))
    note = {"span_id": one, "name": "quick", "annotator_kind": "HUMAN", "result": {"score": 1}}
    answer = client.post("/v1/span_annotations?sync=true", json={"data": [note]})
    assert answer.status_code == 200, answer.text


def test_an_annotation_may_come_before_its_span(client: httpx.Client, roost: Installation) -> None:
    trace, one = new_trace(), secrets.token_hex(8)
    note = {"span_id": one, "name": "early", "annotator_kind": "CODE", "result": {"label": "x"}}
    note["metadata"] = {"model": "judge-1"}
    answer = client.post("/v1/span_annotations", json={"data": [note]})
    assert (answer.status_code, answer.json()) == (200, {"data": []})
    send(client, span(trace, one))

    def is_there() -> bool:
        path = "/v1/projects/default/span_annotations"
        answer = client.get(path, params={"span_ids": one})
        rows = answer.json()["data"] if answer.status_code == 200 else []
        return [(row["name"], row["metadata"]) for row in rows] == [("early", {"model": "judge-1"})]

    until(is_there, "the annotation was written", WITHIN_S)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"data": [{"name": "x", "annotator_kind": "HUMAN"}]}, 422, "span_id"),
        ({"data": [{"span_id": "ab", "name": "x", "annotator_kind": "ROBOT"}]}, 422, "ROBOT"),
        ({"data": [{"span_id": "ab", "name": "note", "annotator_kind": "HUMAN"}]}, 400, "notes"),
        (
            {
                "data": [
                    {
                        "span_id": "ab",
                        "name": "x",
                        "annotator_kind": "HUMAN",
                        "metadata": {"roost.subject_name": "Bob"},
                    }
                ]
            },
            422,
            "Roost's own",
        ),
    ],
)
def test_an_annotation_that_phoenix_would_refuse_is_refused(
    client: httpx.Client, body: dict[str, Any], status: int, text: str
) -> None:
    answer = client.post("/v1/span_annotations", json=body)
    assert (answer.status_code, text in answer.text) == (status, True)


def test_a_viewer_s_annotation_is_refused(client: httpx.Client, roost: Installation) -> None:
    note = {"span_id": "ab" * 8, "name": "no", "annotator_kind": "HUMAN"}
    with roost.client(roost.key(TENANT, "read")) as reader:
        answer = reader.post("/v1/span_annotations", json={"data": [note]})
    assert answer.status_code == 403


def by_rest(client: httpx.Client, trace: str) -> None:
    assert client.delete(f"/v1/traces/{trace}").status_code == 204


def by_graphql(client: httpx.Client, trace: str) -> None:
    query = "query ($id: String!) { getTraceByOtelId(traceId: $id) { id } }"
    found = client.post("/graphql", json={"query": query, "variables": {"id": trace}}).json()
    relay_id = found["data"]["getTraceByOtelId"]["id"]
    mutation = "mutation ($ids: [ID!]!) { deleteTraces(traceIds: $ids) { __typename } }"
    said = client.post("/graphql", json={"query": mutation, "variables": {"ids": [relay_id]}})
    assert "errors" not in said.json(), said.text


@pytest.mark.parametrize("delete", [by_rest, by_graphql])
def test_a_deleted_trace_never_comes_back(
    client: httpx.Client, roost: Installation, delete: Any
) -> None:
    gone, kept, one = new_trace(), new_trace(), secrets.token_hex(8)
    send(client, span(gone, one), span(kept))
    settled(roost)
    assert {gone, kept} <= held(client)
    delete(client, gone)
    send(client, span(gone, one), span(gone, name="late"))
    settled(roost)
    assert held(client) & {gone, kept} == {kept}


def test_a_trace_that_is_deleted_before_phoenix_has_it_never_comes(
    client: httpx.Client, roost: Installation
) -> None:
    roost.cli("cells", "stop", TENANT)
    gone = new_trace()
    send(client, span(gone))
    client.delete(f"/v1/traces/{gone}")
    settled(roost)
    assert gone not in held(client)


def test_a_deleted_project_stays_away_until_something_new_comes(
    client: httpx.Client, roost: Installation
) -> None:
    old, new = new_trace(), new_trace()
    send(client, span(old), project="short-lived")
    settled(roost)
    assert client.delete("/v1/projects/short-lived").status_code == 204
    send(client, span(old, name="late"), project="short-lived")
    settled(roost)
    assert held(client, "short-lived") == set()
    send(client, span(new), project="short-lived")
    settled(roost)
    assert held(client, "short-lived") == {new}


def test_the_default_project_cannot_be_deleted_and_keeps_its_traces(
    client: httpx.Client, roost: Installation
) -> None:
    trace = new_trace()
    send(client, span(trace))
    settled(roost)
    assert client.delete("/v1/projects/default").status_code >= 400
    settled(roost)
    assert trace in held(client)


def test_an_id_that_another_trace_has_is_parked_and_told(
    client: httpx.Client, roost: Installation
) -> None:
    first, second, one = new_trace(), new_trace(), secrets.token_hex(8)
    send(client, span(first, one))
    send(client, span(second, one), span(second))
    settled(roost)
    rows = json.loads(roost.cli("ingest", "parked", TENANT, "--json"))
    told = {row["trace_id"]: row["reason"] for row in rows if row["span_id"] == one}
    assert "under another trace" in told[second]
    assert {first, second} <= held(client)
