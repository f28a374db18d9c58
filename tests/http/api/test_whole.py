"""A whole Roost, as processes: sent by OTLP with a key, asked by keys and by people."""

import json
from collections.abc import Iterator

import httpx
import pytest
from tests.cells.stock_phoenix import until
from tests.faults.small import small_roost
from tests.http.api.spans import batch, conversation, span_id, trace_id
from tests.installation import Installation

ANNS = trace_id(1)
OPENED = {"ROOST_END_USER_FIELDS": "globex=tools+system_prompts"}


@pytest.fixture(scope="module")
def roost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with small_roost(tmp_path_factory.mktemp("roost"), OPENED) as one:
        for slug in ("acme", "globex"):
            one.tenant(slug)
            send(one, slug)
        yield one


def send(roost: Installation, slug: str) -> None:
    body = batch([*conversation(1, "user-ann"), *conversation(3, "user-bob", at_ms=10_000)])
    headers = {"content-type": "application/x-protobuf"}
    with roost.client(roost.key(slug, "ingest")) as client:
        assert client.post("/v1/traces", content=body, headers=headers).status_code == 200
    with roost.client(roost.key(slug, "read")) as client:
        until(lambda: client.get("/api/traces/count").json()["count"] == 2, "it was indexed", 20)


@pytest.fixture
def reader(roost: Installation) -> Iterator[httpx.Client]:
    with roost.client(roost.key("acme", "read")) as client:
        yield client


def test_a_key_that_reads_sees_the_tenants_traces(reader: httpx.Client) -> None:
    rows = reader.get("/api/traces").json()["traces"]
    assert [row["trace_id"] for row in rows] == [trace_id(3), ANNS]
    assert reader.get("/t/acme/api/traces").json()["traces"] == rows
    assert reader.get("/t/globex/api/traces").status_code == 404
    body = reader.get(f"/api/traces/{ANNS}/spans/{span_id(12)}").json()
    assert body["attributes"]["llm"]["input_messages"][0]["message"]["role"] == "system"


def test_an_end_user_sees_their_own_by_their_session(roost: Installation) -> None:
    with roost.client(roost.cookie("Ann", "acme", "end_user")) as ann:
        assert [row["trace_id"] for row in ann.get("/api/traces").json()["traces"]] == [ANNS]
        assert ann.get(f"/api/traces/{trace_id(3)}").status_code == 404
        body = ann.get(f"/api/traces/{ANNS}/spans/{span_id(12)}").json()
        assert body["hidden"] == ["metadata", "system_prompts", "tools"]


def test_a_tenant_opens_fields_by_a_setting(roost: Installation) -> None:
    with roost.client(roost.cookie("Ann", "globex", "end_user")) as ann:
        body = ann.get(f"/api/traces/{ANNS}/spans/{span_id(12)}").json()
    assert body["hidden"] == ["metadata"]
    assert body["attributes"]["input"]["value"] == "rawrequest-user-ann-1"


def test_an_export_and_the_document_come_through(reader: httpx.Client) -> None:
    lines = reader.get("/api/traces/export?bodies=true").text.splitlines()
    assert len({json.loads(line)["span_id"] for line in lines}) == 10
    assert reader.get("/api/openapi.json").json()["servers"][1]["url"] == "/api/phoenix"


def test_the_log_is_told_of_and_nothing_is_pending_for_ever(roost: Installation) -> None:
    with roost.client(roost.key("acme", "write")) as member:
        state = member.get("/api/ingest").json()
        assert state["received"] >= 1
        assert member.post("/api/ingest/retry").status_code == 403
    with roost.client(roost.key("acme", "ingest")) as sender:
        assert sender.get("/api/ingest").status_code == 403


def test_a_revoked_key_reads_nothing(roost: Installation) -> None:
    key = roost.key("acme", "read")
    with roost.client(key) as client:
        assert client.get("/api/projects").status_code == 200
        roost.cli("keys", "revoke", "--tenant", "acme", key.split("_")[1])
        until(lambda: client.get("/api/projects").status_code == 401, "it was refused", 5)
