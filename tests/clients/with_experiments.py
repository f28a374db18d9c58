"""What people do with datasets, experiments and prompts and `arize-phoenix-client`, as a program;
it tells what it saw. ROOST_URL, KEY_ALL and KEY_READ are in its environment.
"""

import asyncio
import json
import os
import secrets
import sys
import time
from typing import Any

from phoenix.client import AsyncClient, Client
from phoenix.client.types import PromptVersion

URL = os.environ["ROOST_URL"]
RUN = secrets.token_hex(4)
DATASET = f"sums-{RUN}"
PROMPT = f"say-{RUN}"

Row = dict[str, Any]


def answer(input: dict[str, str]) -> str:  # noqa: A002 - the client passes it by this name
    return str(sum(int(part) for part in input["q"].split("+")))


def right(output: str, expected: dict[str, str]) -> bool:
    return output == expected["a"]


def datasets(client: Client, reader: Client) -> Row:
    client.datasets.create_dataset(
        name=DATASET, inputs=[{"q": "1+1"}, {"q": "2+2"}], outputs=[{"a": "2"}, {"a": "4"}]
    )
    client.datasets.add_examples_to_dataset(
        dataset=DATASET, inputs=[{"q": "3+4"}], outputs=[{"a": "8"}]
    )
    versions = reader.datasets.get_dataset_versions(dataset=DATASET)
    first = reader.datasets.get_dataset(dataset=DATASET, version_id=versions[-1]["version_id"])
    return {
        "versions": len(versions),
        "first": len(first.examples),
        "last": len(reader.datasets.get_dataset(dataset=DATASET).to_dataframe()),
        "listed": DATASET in [row["name"] for row in reader.datasets.list()],
    }


def experiments(client: Client, reader: Client) -> Row:
    dataset = client.datasets.get_dataset(dataset=DATASET)
    done: Any = client.experiments.run_experiment(
        dataset=dataset, task=answer, evaluators=[right], print_summary=False
    )
    found: Any = reader.experiments.get_experiment(experiment_id=done["experiment_id"])
    project = reader.experiments.get(experiment_id=done["experiment_id"])["project_name"]
    return {
        "runs": len(found["task_runs"]),
        "scores": sorted(run.result["score"] for run in done["evaluation_runs"]),
        "traces": _traces(reader, project, {run["trace_id"] for run in found["task_runs"]}),
    }


def _traces(reader: Client, project: str, wanted: set[str]) -> bool:
    """Whether the runs' own traces arrive in the experiment's project."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        rows = reader.spans.get_spans(project_identifier=project)
        if wanted <= {row["context"]["trace_id"] for row in rows}:
            return True
        time.sleep(0.1)
    return False


async def asynchronous() -> int:
    """An experiment by the asynchronous client, with the tenant in its URL: how many runs."""
    client = AsyncClient(base_url=f"{URL}/t/default", api_key=os.environ["KEY_ALL"])
    dataset = await client.datasets.get_dataset(dataset=DATASET)
    done: Any = await client.experiments.run_experiment(
        dataset=dataset, task=answer, print_summary=False
    )
    return len(done["task_runs"])


def prompts(client: Client, reader: Client) -> Row:
    version = PromptVersion(
        [{"role": "user", "content": "Say {{word}}"}],
        model_name="a-model",
        template_format="MUSTACHE",
    )
    made = client.prompts.create(name=PROMPT, version=version)
    client.prompts.tags.create(prompt_version_id=made.id, name="production")
    tagged = reader.prompts.get(prompt_identifier=PROMPT, tag="production")
    return {
        "same": tagged.id == made.id,
        "said": tagged.format(variables={"word": "hello"}).messages[0]["content"],
        "tags": [row["name"] for row in reader.prompts.tags.list(prompt_version_id=made.id)],
    }


def main() -> None:
    client = Client(base_url=URL, api_key=os.environ["KEY_ALL"])
    reader = Client(base_url=URL, api_key=os.environ["KEY_READ"])
    seen = {
        "datasets": datasets(client, reader),
        "experiments": experiments(client, reader),
        "asynchronous": asyncio.run(asynchronous()),
        "prompts": prompts(client, reader),
    }
    sys.stdout.write("\n" + json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
