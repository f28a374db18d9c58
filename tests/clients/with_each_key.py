"""The same calls of `arize-phoenix-client` with keys of each scope, as a program; it tells what
it heard. ROOST_URL and KEY_<SCOPE> are in its environment.
"""

import json
import os
import secrets
import sys
from collections.abc import Callable
from typing import Any

import httpx
from phoenix.client import Client
from phoenix.client.resources.datasets import DatasetUploadError
from phoenix.client.types import PromptVersion

URL = os.environ["ROOST_URL"]
SCOPES = ("ingest", "read", "write", "admin")
RUN = secrets.token_hex(4)


def span(scope: str) -> Any:
    return {
        "name": f"by-{scope}",
        "context": {"trace_id": secrets.token_hex(16), "span_id": secrets.token_hex(8)},
        "span_kind": "CHAIN",
        "start_time": "2026-11-01T00:00:00+00:00",
        "end_time": "2026-11-01T00:00:01+00:00",
        "status_code": "OK",
        "attributes": {},
    }


def calls(client: Client, scope: str) -> dict[str, Callable[[], object]]:
    prompt = PromptVersion([{"role": "user", "content": "hello"}], model_name="a-model")
    return {
        "log spans": lambda: client.spans.log_spans(
            project_identifier="each-key", spans=[span(scope)]
        ),
        "list projects": client.projects.list,
        "read spans": lambda: client.spans.get_spans(project_identifier="default"),
        "read spans as a frame": lambda: client.spans.get_spans_dataframe(),
        "create a project": lambda: client.projects.create(name=f"doomed-{RUN}-{scope}"),
        "create a dataset": lambda: client.datasets.create_dataset(
            name=f"of-{scope}-{RUN}", inputs=[{"q": "1"}]
        ),
        "create a prompt": lambda: client.prompts.create(name=f"of-{scope}-{RUN}", version=prompt),
        "delete a project": lambda: client.projects.delete(project_name=f"doomed-{RUN}-write"),
    }


def outcome(call: Callable[[], object]) -> str:
    """`ok`, or what the client tells of the refusal."""
    try:
        call()
    except httpx.HTTPStatusError as refused:
        return str(refused.response.json()["detail"])
    except DatasetUploadError as refused:
        return str(refused)
    return "ok"


def main() -> None:
    seen = {}
    for scope in SCOPES:
        client = Client(base_url=URL, api_key=os.environ[f"KEY_{scope.upper()}"])
        seen[scope] = {name: outcome(call) for name, call in calls(client, scope).items()}
    sys.stdout.write("\n" + json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
