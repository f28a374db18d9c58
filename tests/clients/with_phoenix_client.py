"""What people do with `arize-phoenix-client`, as a program: `with_phoenix_client.py URL KEY READ`.

It prints what it saw as JSON. Not imported by tests: beside an installed Phoenix its package
imports Phoenix.
"""

import asyncio
import json
import sys
import time
from typing import Any

import httpx
from phoenix.client import AsyncClient, Client
from phoenix.client.types import PromptVersion

PROJECT = "clients"
SPAN_ID = "00f067aa0ba902b7"


def spans(client: Client) -> dict[str, Any]:
    span: Any = {
        "name": "by-client",
        "context": {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": SPAN_ID},
        "span_kind": "CHAIN",
        "start_time": "2026-11-01T00:00:00+00:00",
        "end_time": "2026-11-01T00:00:01+00:00",
        "status_code": "OK",
        "attributes": {"input.value": "hello"},
    }
    queued = client.spans.log_spans(project_identifier=PROJECT, spans=[span])["total_queued"]
    found: list[Any] = []
    deadline = time.monotonic() + 30
    while not found and time.monotonic() < deadline:
        time.sleep(0.2)
        if PROJECT in [project["name"] for project in client.projects.list()]:
            found = list(client.spans.get_spans(project_identifier=PROJECT, limit=10))
    client.spans.add_span_annotation(
        span_id=SPAN_ID, annotation_name="right", label="yes", score=1.0, sync=True
    )
    noted = client.spans.get_span_annotations(span_ids=[SPAN_ID], project_identifier=PROJECT)
    names = [row["name"] for row in noted]
    return {"queued": queued, "found": [row["name"] for row in found], "noted": names}


def experiments(client: Client) -> dict[str, Any]:
    dataset = client.datasets.create_dataset(
        name="questions", inputs=[{"q": "1+1"}, {"q": "2+2"}], outputs=[{"a": "2"}, {"a": "4"}]
    )
    examples = client.datasets.get_dataset(dataset="questions").examples

    def answer(input: dict[str, str]) -> str:  # noqa: A002 - the client passes it by this name
        return str(sum(int(part) for part in input["q"].split("+")))

    def right(output: str, expected: dict[str, str]) -> bool:
        return output == expected["a"]

    done: Any = client.experiments.run_experiment(
        dataset=dataset, task=answer, evaluators=[right], print_summary=False
    )
    scores = [run.result["score"] for run in done["evaluation_runs"]]
    return {"examples": len(examples), "runs": len(done["task_runs"]), "scores": scores}


def prompts(client: Client) -> bool:
    version = PromptVersion(
        [{"role": "user", "content": "Say {{word}}"}],
        model_name="a-model",
        template_format="MUSTACHE",
    )
    made = client.prompts.create(name="say", version=version)
    return bool(client.prompts.get(prompt_identifier="say").id == made.id)


async def asynchronous(url: str, key: str) -> int:
    client = AsyncClient(base_url=f"{url}/t/default", api_key=key)
    return len(await client.projects.list())


def refused(url: str, key: str) -> dict[str, Any]:
    client = Client(base_url=url, api_key=key)
    try:
        client.projects.create(name="never")
    except httpx.HTTPStatusError as error:
        return {"status": error.response.status_code, **error.response.json()}
    return {}


def main() -> None:
    url, key, read_key = sys.argv[1:]
    client = Client(base_url=url, api_key=key)
    seen = {
        "spans": spans(client),
        "experiments": experiments(client),
        "prompts": prompts(client),
        "asynchronous": asyncio.run(asynchronous(url, key)),
        "refused": refused(url, read_key),
    }
    sys.stdout.write("\n" + json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
