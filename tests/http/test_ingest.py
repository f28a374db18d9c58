"""Spans over HTTP: who may send, what reaches the log, and how an error is told."""

import asyncio
import gzip
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from tests.http.scopes import Answer, a_scope, ask
from tests.ingest.spans import JSON, PROTOBUF, as_json, group, request, span

from roost.errors import NotSignedIn, RoostError, Unavailable
from roost.http.call import Call, Receive, Scope, Send
from roost.http.ingest import Ingest
from roost.http.problems import Problems
from roost.http.routes import Endpoint, match
from roost.http.serving import listen_tcp, serving
from roost.ingest.decode import Limits
from roost.ingest.intake import Terms
from roost.ingest.mask import parse_mask
from roost.model import IngestGrant, Principal, Proof, Slug, Tenant, TenantId

ACME = Tenant(TenantId("t_acme"), Slug("acme"), "Acme")
TEAM = IngestGrant(project_pattern="team-*", default_project="team-a")
ANY = IngestGrant()
PROJECT_7 = "UHJvamVjdDo3"
BATCH = request(group([span("to ann@example.com")], "team-b"))
BODY = BATCH.SerializeToString()
ROW = {
    "name": "answer",
    "context": {"trace_id": "1f" * 16, "span_id": "2e" * 8},
    "span_kind": "LLM",
    "start_time": "2026-11-01T00:00:00Z",
    "end_time": "2026-11-01T00:00:01Z",
    "status_code": "OK",
    "attributes": {"llm": {"to": "ann@example.com"}},
}


@dataclass
class Roost:
    """Ingest behind Problems; its log takes spans once it has raised its faults."""

    grant: IngestGrant | None = field(default_factory=lambda: TEAM)
    faults: list[RoostError] = field(default_factory=list)
    signed_in: bool = True
    stored: Collection[str] = ()
    payloads: list[tuple[TenantId, bytes]] = field(default_factory=list)

    async def principal_of(self, call: Call, slug: Slug | None) -> Principal:
        if not self.signed_in:
            raise NotSignedIn
        return Principal(ACME, "key", None, Proof.KEY, "k_1", 0, ingest=self.grant)

    async def sink(self, tenant: TenantId, payloads: tuple[bytes, ...]) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.payloads += [(tenant, one) for one in payloads]

    async def known(self, tenant: TenantId, span_ids: Sequence[str]) -> Collection[str]:
        return set(self.stored) & set(span_ids)

    async def project_name(self, tenant: TenantId, row: int) -> str | None:
        return {7: "seven"}.get(row)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        terms = Terms(Limits(body_bytes=10_000), parse_mask(["email"]))
        ingest = Ingest(self.principal_of, self.sink, self.known, self.project_name, terms)
        segments = tuple(filter(None, scope["path"].split("/")))
        headers = tuple(scope["headers"])
        call = Call("POST", "", segments, False, "", headers, "", receive, send, scope)
        found = match("POST", segments)
        assert found is not None
        is_signal = found.endpoint is Endpoint.NO_SIGNAL
        await (ingest.refuse_signal if is_signal else ingest.take)(call, found)

    async def post(self, path: str, sent: bytes, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await ask(Problems(self), a_scope("POST", path, named), sent)

    async def log_spans(self, project: str, *rows: object) -> Answer:
        sent = json.dumps({"data": rows}).encode()
        return await self.post(f"/v1/projects/{project}/spans", sent, content_type=JSON)

    def projects(self) -> list[str]:
        read = [ExportTraceServiceRequest.FromString(one) for _, one in self.payloads]
        return [
            pair.value.string_value
            for one in read
            for pair in one.resource_spans[0].resource.attributes
            if pair.key == "openinference.project.name"
        ]


@pytest.mark.parametrize("path", ["/v1/traces", "/", "/t/acme/v1/traces"])
async def test_a_batch_reaches_the_log_judged_and_masked(path: str) -> None:
    roost = Roost()
    answer = await roost.post(
        path, gzip.compress(BODY), content_type=PROTOBUF, content_encoding="gzip"
    )
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", PROTOBUF)
    ((tenant, payload),) = roost.payloads
    assert (tenant, roost.projects()) == (ACME.id, ["team-b"])
    assert b"ann@example.com" not in payload


async def test_the_python_exporter_waits_as_it_is_told_and_sends_again() -> None:
    roost = Roost(faults=[Unavailable("Full.", retry_after_s=1)])
    with listen_tcp("127.0.0.1", 0, "port") as listening:
        port = listening.getsockname()[1]
        async with serving(Problems(roost), listening):
            took_s = await asyncio.to_thread(send_by_sdk, f"http://127.0.0.1:{port}/v1/traces")
    assert (roost.faults, roost.projects()) == ([], ["team-b"])
    assert took_s >= 1


def send_by_sdk(url: str) -> float:
    """How long that took, in seconds."""
    provider = TracerProvider(
        resource=Resource({"openinference.project.name": "team-b"}), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(url, timeout=20)))
    began = time.monotonic()
    with provider.get_tracer("app").start_as_current_span("answer"):
        pass
    provider.shutdown()
    return time.monotonic() - began


async def test_json_is_answered_in_json() -> None:
    roost = Roost()
    answer = await roost.post(
        "/v1/traces", as_json(BATCH), content_type=JSON, x_project_name="team-c"
    )
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"{}", JSON)
    assert roost.projects() == ["team-c"]


def status_in(answer: Answer) -> tuple[int, str]:
    if answer.headers["content-type"] == JSON:
        told = json.loads(answer.body)
        return told["code"], told["message"]
    assert answer.headers["content-type"] == PROTOBUF
    status = Status.FromString(answer.body)
    return status.code, status.message


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Unavailable("Over the quota.", status=429, retry_after_s=9), 8),
        (Unavailable("Full.", retry_after_s=9), 14),
        (RoostError("Broken."), 13),
    ],
    ids=["429", "503", "500"],
)
async def test_a_client_is_told_when_to_come_again(kind: str, fault: RoostError, code: int) -> None:
    sent = as_json(BATCH) if kind == JSON else BODY
    answer = await Roost(faults=[fault]).post("/v1/traces", sent, content_type=kind)
    assert (answer.status, status_in(answer)) == (fault.status, (code, fault.message))
    assert answer.headers.get("retry-after") == ("9" if code in (8, 14) else None)
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
@pytest.mark.parametrize(
    ("roost", "sent", "status"),
    [
        (Roost(signed_in=False), BODY, 401),
        (Roost(grant=None), BODY, 403),
        (Roost(), b"\xff", 400),
        (Roost(), bytes(10_001), 413),
    ],
    ids=["nobody", "a reader", "garbage", "too large"],
)
async def test_every_refusal_is_a_status(roost: Roost, sent: bytes, status: int, kind: str) -> None:
    answer = await roost.post("/v1/traces", sent, content_type=kind)
    assert answer.status == status
    assert status_in(answer)[1]
    assert roost.payloads == []
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("kind", ["text/plain", ""])
async def test_who_does_not_speak_otlp_gets_a_problem(kind: str) -> None:
    answer = await Roost().post("/v1/traces", BODY, content_type=kind)
    assert (answer.status, answer.headers["content-type"]) == (415, "application/problem+json")


@pytest.mark.parametrize(("signal", "says"), [("logs", "no logs"), ("metrics", "no metrics")])
async def test_other_signals_are_refused_in_the_clients_encoding(signal: str, says: str) -> None:
    answer = await Roost().post(f"/v1/{signal}", b"", content_type=PROTOBUF)
    code, message = status_in(answer)
    assert (answer.status, code) == (501, 12)
    assert says in message


async def test_logged_spans_reach_the_log_like_any_others() -> None:
    roost = Roost()
    answer = await roost.log_spans("team-b", ROW)
    assert (answer.status, json.loads(answer.body)) == (
        202,
        {"total_received": 1, "total_queued": 1},
    )
    ((tenant, payload),) = roost.payloads
    assert (tenant, roost.projects()) == (ACME.id, ["team-b"])
    assert b"llm.to" in payload
    assert b"ann@example.com" not in payload


async def test_a_span_that_is_there_already_is_refused_as_phoenix_does() -> None:
    roost = Roost(stored={"2e" * 8})
    answer = await roost.log_spans("team-b", ROW)
    told: dict[str, Any] = json.loads(answer.body)
    assert (answer.status, told["total_duplicates"], told["total_queued"]) == (400, 1, 0)
    assert roost.payloads == []


async def test_a_span_of_another_shape_is_refused_as_phoenix_does() -> None:
    roost = Roost()
    answer = await roost.log_spans("team-b", {**ROW, "start_time": "yesterday"})
    assert (answer.status, json.loads(answer.body)["detail"][0]["loc"][:3]) == (
        422,
        ["body", "data", 0],
    )
    assert roost.payloads == []


@pytest.mark.parametrize(
    ("grant", "project", "status"),
    [
        pytest.param(TEAM, "globex", 403, id="outside the pattern"),
        pytest.param(TEAM, PROJECT_7, 403, id="an id under a narrow grant"),
        pytest.param(ANY, "UHJvamVjdDo4", 404, id="no such id"),
        pytest.param(None, "team-b", 403, id="a reader"),
    ],
)
async def test_a_project_that_is_not_theirs_is_a_problem(
    grant: IngestGrant | None, project: str, status: int
) -> None:
    roost = Roost(grant=grant)
    answer = await roost.log_spans(project, ROW)
    assert (answer.status, roost.payloads) == (status, [])
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_projects_id_is_resolved_to_its_name() -> None:
    roost = Roost(grant=ANY)
    assert (await roost.log_spans(PROJECT_7, ROW)).status == 202
    assert roost.projects() == ["seven"]


async def test_logged_spans_are_json() -> None:
    answer = await Roost().post("/v1/projects/team-b/spans", b"{}", content_type="text/plain")
    assert (answer.status, answer.headers["content-type"]) == (415, "application/problem+json")


async def test_logged_spans_that_the_log_does_not_take_are_not_acknowledged() -> None:
    roost = Roost(faults=[Unavailable("Full.", retry_after_s=3)])
    answer = await roost.log_spans("team-b", ROW)
    assert (answer.status, answer.headers["retry-after"]) == (503, "3")


async def test_no_span_is_success() -> None:
    roost = Roost()
    assert (await roost.log_spans("team-b")).status == 202
    assert roost.payloads == []
