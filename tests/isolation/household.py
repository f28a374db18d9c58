"""Data of every kind that a tenant keeps in Phoenix, each name and text a mark of its own.

Rule: written through Roost, as clients and the UI write it. Two tenants that keep `SHARED` names
have the same trace, span and session ids and the same names, where one Phoenix would mix them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from tests.cells.stock_phoenix import until
from tests.isolation.canary import Marks

START_NS = 1_790_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Names:
    """What others could guess."""

    project: str
    dataset: str
    prompt: str
    label: str
    split: str
    config: str
    tag: str
    session: str
    trace_id: str
    span_ids: tuple[str, str]


SHARED = Names(
    project="assistant",
    dataset="questions",
    prompt="answer-politely",
    label="reviewed",
    split="train",
    config="helpful",
    tag="production",
    session="session-1",
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_ids=("b7ad6b7169203331", "00f067aa0ba902b7"),
)


def own_names(marks: Marks) -> Names:
    return Names(
        project=marks.new("project"),
        dataset=marks.new("dataset"),
        prompt=marks.new("prompt"),
        label=marks.new("label"),
        split=marks.new("split"),
        config=marks.new("config"),
        tag=marks.new("tag"),
        session=marks.new("session"),
        trace_id=marks.trace_id(),
        span_ids=(marks.span_id(), marks.span_id()),
    )


def furnish(client: httpx.Client, marks: Marks, names: Names) -> None:
    """One of everything. `client` has a key with `admin` and `ingest`."""
    _spans(client, marks, names)
    _annotations(client, marks, names)
    dataset = _dataset(client, marks, names)
    for _ in range(2):  # to be compared
        _experiment(client, marks, names, dataset)
    _prompt(client, marks, names)
    _settings(client, marks, names, dataset)


def _spans(client: httpx.Client, marks: Marks, names: Names) -> None:
    root, child = names.span_ids
    spans = [
        _span(
            marks, names, root, "", {"llm.model_name": "gpt-4o", "openinference.span.kind": "LLM"}
        ),
        _span(marks, names, child, root, {"openinference.span.kind": "RETRIEVER"}),
    ]
    resource = {"attributes": [_text("openinference.project.name", names.project)]}
    batch = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
    made(client.post("/v1/traces", json=batch))

    def stored() -> bool:
        answer = client.get(f"/v1/projects/{names.project}/spans")
        return answer.is_success and len(answer.json()["data"]) == 2

    until(stored, "the spans were stored", 30)


def _span(
    marks: Marks, names: Names, span_id: str, parent: str, more: Mapping[str, str]
) -> dict[str, Any]:
    texts = {
        "session.id": names.session,
        "user.id": marks.new("user"),
        "input.value": marks.new("input"),
        "output.value": marks.new("output"),
        "metadata": json.dumps({"note": marks.new("metadata")}),
        "retrieval.documents.0.document.content": marks.new("document"),
        **more,
    }
    counts = [
        {"key": f"llm.token_count.{kind}", "value": {"intValue": "7"}}
        for kind in ("prompt", "completion", "total")
    ]
    event = {
        "name": "exception",
        "timeUnixNano": str(START_NS),
        "attributes": [_text("exception.message", marks.new("exception"))],
    }
    return {
        "traceId": names.trace_id,
        "spanId": span_id,
        "parentSpanId": parent,
        "name": marks.new("span"),
        "kind": 1,
        "startTimeUnixNano": str(START_NS),
        "endTimeUnixNano": str(START_NS + 1_000_000_000),
        "status": {"code": 2, "message": marks.new("status")},
        "events": [event],
        "attributes": [_text(key, value) for key, value in texts.items()] + counts,
    }


def _text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def _annotations(client: httpx.Client, marks: Marks, names: Names) -> None:
    span = names.span_ids[1]
    targets: dict[str, dict[str, Any]] = {
        "span": {"span_id": span},
        "trace": {"trace_id": names.trace_id},
        "session": {"session_id": names.session},
        "document": {"span_id": span, "document_position": 0},
    }
    for kind, target in targets.items():
        judgement = {**target, **_judgement(marks, kind)}
        if kind != "document":  # Phoenix takes none there
            judgement["identifier"] = marks.new("identifier")
        body = {"data": [judgement]}
        made(client.post(f"/v1/{kind}_annotations?sync=true", json=body))
        if kind != "document":
            note = {"data": {**target, "note": marks.new(f"{kind}-note")}}
            made(client.post(f"/v1/{kind}_notes", json=note))
    config = {
        "name": names.config,
        "type": "CATEGORICAL",
        "description": marks.new("config"),
        "optimization_direction": "MAXIMIZE",
        "values": [{"label": marks.new("value"), "score": 1.0}],
    }
    made(client.post("/v1/annotation_configs", json=config))
    made(client.put(f"/v1/projects/{names.project}/annotation_configs/{names.config}"))


def _judgement(marks: Marks, kind: str) -> dict[str, Any]:
    return {
        "name": marks.new(f"{kind}-annotation"),
        "annotator_kind": "HUMAN",
        "metadata": {"why": marks.new("metadata")},
        "result": {
            "label": marks.new("verdict"),
            "score": 1,
            "explanation": marks.new("explanation"),
        },
    }


def _dataset(client: httpx.Client, marks: Marks, names: Names) -> str:
    body = {
        "action": "create",
        "name": names.dataset,
        "description": marks.new("dataset"),
        "inputs": [{"question": marks.new("question")} for _ in range(2)],
        "outputs": [{"answer": marks.new("answer")} for _ in range(2)],
        "metadata": [{"note": marks.new("metadata")} for _ in range(2)],
        "splits": [names.split, names.split],
        "span_ids": [names.span_ids[0], None],
        "example_ids": [marks.new("example") for _ in range(2)],
    }
    dataset = str(
        made(client.post("/v1/datasets/upload?sync=true", json=body))["data"]["dataset_id"]
    )
    label = {"name": names.label, "color": "#00cc88", "description": marks.new("label")}
    label_id = made(client.post("/v1/dataset_labels", json=label))["data"]["id"]
    made(client.put(f"/v1/datasets/{dataset}/labels/{label_id}"))
    return dataset


def _experiment(client: httpx.Client, marks: Marks, names: Names, dataset: str) -> None:
    body = {
        "name": marks.new("experiment"),
        "description": marks.new("experiment"),
        "metadata": {"note": marks.new("metadata")},
    }
    experiment = made(client.post(f"/v1/datasets/{dataset}/experiments", json=body))["data"]["id"]
    examples = made(client.get(f"/v1/datasets/{dataset}/examples"))["data"]["examples"]
    times = {"start_time": "2026-09-21T14:13:20Z", "end_time": "2026-09-21T14:13:21Z"}
    run = {
        "dataset_example_id": examples[0].get("node_id", examples[0]["id"]),
        "output": marks.new("output"),
        "repetition_number": 1,
        "trace_id": names.trace_id,
        **times,
    }
    run_id = made(client.post(f"/v1/experiments/{experiment}/runs", json=run))["data"]["id"]
    verdict = {"label": marks.new("verdict"), "explanation": marks.new("explanation"), "score": 0.5}
    evaluation = {
        "experiment_run_id": run_id,
        "name": marks.new("evaluation"),
        "annotator_kind": "CODE",
        "result": verdict,
        **times,
    }
    made(client.post("/v1/experiment_evaluations", json=evaluation))
    tag = {"name": names.tag, "description": marks.new("tag")}
    made(client.post(f"/v1/experiments/{experiment}/tags", json=tag))


def _prompt(client: httpx.Client, marks: Marks, names: Names) -> None:
    prompt = {
        "name": names.prompt,
        "description": marks.new("prompt"),
        "metadata": {"note": marks.new("metadata")},
    }
    body = {"prompt": prompt, "version": _version(marks)}
    first = made(client.post("/v1/prompts", json=body))["data"]["id"]
    tag = {"name": names.tag, "description": marks.new("tag")}
    made(client.post(f"/v1/prompt_versions/{first}/tags", json=tag))
    made(client.post(f"/v1/prompts/{names.prompt}/versions", json={"version": _version(marks)}))


def _version(marks: Marks) -> dict[str, Any]:
    return {
        "description": marks.new("version"),
        "model_provider": "OPENAI",
        "model_name": marks.new("model"),
        "template": {"type": "chat", "messages": [{"role": "user", "content": marks.new()}]},
        "template_type": "CHAT",
        "template_format": "MUSTACHE",
        "invocation_parameters": {"type": "openai", "openai": {}},
    }


def _settings(client: httpx.Client, marks: Marks, names: Names, dataset: str) -> None:
    """What only GraphQL writes."""
    label = {"name": names.label, "color": "#00cc88", "description": marks.new("label")}
    _mutate(client, "createPromptLabel", "CreatePromptLabelInput!", label)
    policy = {
        "name": marks.new("policy"),
        "cronExpression": "0 0 * * 0",
        "rule": {"maxDays": {"maxDays": 3650.0}},
    }
    _mutate(
        client,
        "createProjectTraceRetentionPolicy",
        "CreateProjectTraceRetentionPolicyInput!",
        policy,
    )
    key = marks.new("SECRET").upper().replace("-", "_")
    secret = {"secrets": [{"key": key, "value": marks.new("secret")}]}
    _mutate(client, "upsertOrDeleteSecrets", "UpsertOrDeleteSecretsMutationInput!", secret)
    login = {"openaiAuthenticationMethod": {"apiKey": marks.new("api-key")}}
    provider = {
        "name": marks.new("provider"),
        "description": marks.new("provider"),
        "provider": "openai",
        "clientConfig": {"openai": login},
    }
    _mutate(
        client,
        "createGenerativeModelCustomProvider",
        "CreateGenerativeModelCustomProviderMutationInput!",
        provider,
    )
    price = {"tokenType": "input", "costPerMillionTokens": 1.0, "kind": "PROMPT"}
    output = {"tokenType": "output", "costPerMillionTokens": 2.0, "kind": "COMPLETION"}
    model = {
        "name": marks.new("model"),
        "namePattern": marks.new("pattern"),
        "costs": [price, output],
    }
    _mutate(client, "createModel", "CreateModelMutationInput!", model)
    evaluators = made(client.post("/graphql", json={"query": "{ builtInEvaluators { id } }"}))[
        "data"
    ]["builtInEvaluators"]
    evaluator = {
        "datasetId": dataset,
        "evaluatorId": evaluators[0]["id"],
        "name": marks.new("evaluator"),
        "inputMapping": {"literalMapping": {"text": marks.new()}, "pathMapping": {}},
        "description": marks.new("evaluator"),
    }
    _mutate(
        client, "createDatasetBuiltinEvaluator", "CreateDatasetBuiltinEvaluatorInput!", evaluator
    )


def _mutate(client: httpx.Client, field: str, kind: str, value: Mapping[str, Any]) -> None:
    query = f"mutation M($input: {kind}) {{ {field}(input: $input) {{ __typename }} }}"
    said = made(client.post("/graphql", json={"query": query, "variables": {"input": value}}))
    assert "errors" not in said, (field, said)


def made(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    return json.loads(answer.content or b"{}")
