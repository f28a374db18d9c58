"""What two tenants store: the same shapes under the same ids, each with its own canary in every
name and text. Written and read as people do, through Roost."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
from tests.cells.stock_phoenix import until
from tests.installation import Installation

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
SESSION = "session-1"
"""The same in both tenants: in one Phoenix they would collide."""


@dataclass(frozen=True)
class Cargo:
    """`canary` stands in everything that a tenant has named or written."""

    tenant: str
    canary: str
    ids: tuple[str, ...]
    """Relay ids of what was made."""

    @property
    def guesses(self) -> tuple[str, ...]:
        """What somebody else could try in a path or a variable."""
        return (*self.ids, self.canary, TRACE_ID, SPAN_ID, SESSION)


def store(roost: Installation, tenant: str, canary: str) -> Cargo:
    """Traces with sessions and users, annotations, a dataset, an experiment, a prompt, configs."""
    key = roost.key(tenant, "admin", "ingest")
    with roost.client(key) as client:
        send_trace(client, canary)
        annotation = {
            "span_id": SPAN_ID,
            "name": canary,
            "annotator_kind": "HUMAN",
            "result": {"label": canary, "score": 1, "explanation": canary},
        }
        _made(client.post("/v1/span_annotations?sync=true", json={"data": [annotation]}))
        dataset = _dataset(client, canary)
        experiment = _made(
            client.post(f"/v1/datasets/{dataset}/experiments", json={"name": canary})
        )["data"]["id"]
        prompt = _prompt(client, canary)
        config = {"name": canary, "type": "FREEFORM", "description": canary}
        made = _made(client.post("/v1/annotation_configs", json=config))["data"]["id"]
        projects = client.get("/v1/projects").json()["data"]
    project = next(row["id"] for row in projects if row["name"] == canary)
    return Cargo(tenant, canary, (project, dataset, experiment, prompt, made))


def send_trace(
    client: httpx.Client, canary: str, trace_id: str = TRACE_ID, span_id: str = SPAN_ID
) -> None:
    """A trace of one span in the project `canary`; returns once the tenant's Phoenix has it. A cell
    takes an id once: whoever sends a second trace to a tenant names it otherwise."""

    def text(name: str, value: str) -> dict[str, Any]:
        return {"key": name, "value": {"stringValue": value}}

    span = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": canary,
        "kind": 1,
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000001000000000",
        "attributes": [
            text("session.id", SESSION),
            text("user.id", canary),
            text("input.value", canary),
            text("output.value", canary),
            text("openinference.span.kind", "CHAIN"),
        ],
    }
    resource = {"attributes": [text("openinference.project.name", canary)]}
    batch = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    _made(client.post("/v1/traces", json=batch))

    def arrived() -> bool:
        answer = client.get(f"/v1/projects/{canary}/spans")
        return answer.status_code == 200 and canary in answer.text

    until(arrived, "the span was stored", 30)


def _dataset(client: httpx.Client, canary: str) -> str:
    body = {
        "action": "create",
        "name": canary,
        "description": canary,
        "inputs": [{"question": canary}],
        "outputs": [{"answer": canary}],
        "metadata": [{"note": canary}],
    }
    answer = _made(client.post("/v1/datasets/upload?sync=true", json=body))
    return str(answer["data"]["dataset_id"])


def _prompt(client: httpx.Client, canary: str) -> str:
    version = {
        "description": canary,
        "model_provider": "OPENAI",
        "model_name": canary,
        "template": {"type": "chat", "messages": [{"role": "user", "content": canary}]},
        "template_type": "CHAT",
        "template_format": "MUSTACHE",
        "invocation_parameters": {"type": "openai", "openai": {}},
    }
    body = {"prompt": {"name": canary, "description": canary}, "version": version}
    _made(client.post("/v1/prompts", json=body))  # answers the version's id
    prompts = client.get("/v1/prompts").json()["data"]
    return next(str(row["id"]) for row in prompts if row["name"] == canary)


def _made(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    return json.loads(answer.content or b"{}")
