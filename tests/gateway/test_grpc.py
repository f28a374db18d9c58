"""OTLP over gRPC into a whole Roost, by OpenTelemetry's own exporter."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.cells.stock_phoenix import free_port, until
from tests.clients.machine import run
from tests.faults.small import small_roost
from tests.installation import Installation

EXPORT = """
import sys
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
endpoint, key, name = sys.argv[1:]
exporter = OTLPSpanExporter(
    endpoint, insecure=True, headers=(("authorization", f"Bearer {key}"),), timeout=5
)
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
provider.get_tracer("t").start_span(name).end()
provider.shutdown()
"""


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def roost(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Installation]:
    settings = {"ROOST_GRPC_ADDRESS": f"127.0.0.1:{port}", "ROOST_MASK": "email"}
    with small_roost(tmp_path_factory.mktemp("grpc"), settings) as one:
        one.tenant("acme")
        yield one


def received(roost: Installation) -> int:
    rows = json.loads(roost.cli("ingest", "status", "--json"))
    return next(int(row["received"]) for row in rows if row["tenant"] == "acme")


def export(port: int, key: str, name: str) -> None:
    run(["-c", EXPORT, f"127.0.0.1:{port}", key, name], {})


def test_a_key_that_ingests_sends_spans(roost: Installation, port: int) -> None:
    before = received(roost)
    export(port, roost.key("acme", "ingest"), "by-grpc")
    until(lambda: received(roost) == before + 1, "the span was in the log", 10)


@pytest.mark.parametrize("scope", ["read", "write", "admin"])
def test_another_key_sends_none(roost: Installation, port: int, scope: str) -> None:
    before = received(roost)
    export(port, roost.key("acme", scope), "refused")
    assert received(roost) == before


def test_a_revoked_key_sends_none_at_once(roost: Installation, port: int) -> None:
    made = json.loads(
        roost.cli("keys", "create", "--tenant", "acme", "--scope", "ingest", "--json")
    )
    export(port, made["key"], "before")
    before = received(roost)
    roost.cli("keys", "revoke", made["id"], "--tenant", "acme")
    export(port, made["key"], "after")
    assert received(roost) == before


def test_what_is_masked_over_http_is_masked_in_the_log(roost: Installation) -> None:
    span = {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "name": "mail to ann@acme.example",
        "attributes": [{"key": "to", "value": {"stringValue": "ann@acme.example"}}],
    }
    batch = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    with roost.client(roost.key("acme", "ingest")) as client:
        assert client.post("/v1/traces", json=batch).status_code == httpx.codes.OK
    stored = b"".join(file.read_bytes() for file in files_of(roost.data_dir / "homes"))
    assert b"ann@acme.example" not in stored


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
