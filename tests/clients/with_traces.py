"""What people do with traces and `arize-phoenix-client`, as a program; it tells what it saw.

ROOST_URL, KEY_ALL and KEY_READ are in its environment.
"""

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any

from phoenix.client import AsyncClient, Client
from phoenix.client.exceptions import SpanCreationError
from phoenix.client.types.spans import SpanQuery

URL = os.environ["ROOST_URL"]
RUN = secrets.token_hex(4)
"""Phoenix knows a span's id once: each run has its own."""
PROJECT = f"with-traces-{RUN}"
TRACE_ID = secrets.token_hex(16)
SPAN_IDS = (secrets.token_hex(8), secrets.token_hex(8))
SESSION = f"session-{RUN}"

Row = dict[str, Any]


def span(span_id: str, **changes: object) -> Any:
    return {
        "name": "root" if span_id == SPAN_IDS[0] else "child",
        "context": {"trace_id": TRACE_ID, "span_id": span_id},
        "parent_id": None if span_id == SPAN_IDS[0] else SPAN_IDS[0],
        "span_kind": "CHAIN",
        "start_time": "2026-11-01T00:00:00+00:00",
        "end_time": "2026-11-01T00:00:01+00:00",
        "status_code": "OK",
        "attributes": {"input.value": "hello", "session.id": SESSION},
        **changes,
    }


def until(rows: Callable[[], list[Row]], count: int) -> list[Row]:
    """The rows once there are so many; what there is after the deadline."""
    deadline = time.monotonic() + 30
    while len(found := rows()) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def logged(client: Client) -> Row:
    queued = client.spans.log_spans(
        project_identifier=PROJECT, spans=[span(one) for one in SPAN_IDS]
    )["total_queued"]
    until(lambda: [row for row in client.projects.list() if row["name"] == PROJECT], 1)
    found = until(lambda: list(client.spans.get_spans(project_identifier=PROJECT)), 2)
    return {"queued": queued, "names": sorted(row["name"] for row in found)}


def refused(client: Client) -> Row:
    """What Phoenix's client makes of a span that is there already, and of one that is none."""
    told = {}
    for name, wrong in {
        "again": span(SPAN_IDS[0]),
        "invalid": span(secrets.token_hex(8), start_time="yesterday"),
    }.items():
        try:
            client.spans.log_spans(project_identifier=PROJECT, spans=[wrong])
        except SpanCreationError as error:
            told[name] = [error.total_queued, error.total_duplicates, error.total_invalid]
    return told


def framed(client: Client) -> Row:
    """By data frames, which the client asks for by POST."""
    query = SpanQuery().where(f"span_id == '{SPAN_IDS[1]}'").select("name", "parent_id")
    frame = client.spans.get_spans_dataframe(query=query, project_identifier=PROJECT)
    return {"columns": sorted(frame.columns), "rows": len(frame)}


def annotated(client: Client) -> Row:
    first, second = SPAN_IDS
    made = client.spans.add_span_annotation(
        span_id=first, annotation_name="right", label="yes", score=1.0, sync=True
    )
    client.spans.add_span_annotation(span_id=second, annotation_name="right", label="no")
    client.spans.add_span_note(span_id=first, note="look at this")
    client.traces.add_trace_annotation(
        trace_id=TRACE_ID, annotation_name="useful", score=0.5, sync=True
    )
    client.sessions.add_session_annotation(
        session_id=SESSION, annotation_name="calm", label="yes", sync=True
    )

    def notes() -> list[Row]:
        rows = client.spans.get_span_annotations(
            span_ids=SPAN_IDS, project_identifier=PROJECT, include_annotation_names=["right"]
        )
        return [dict(row) for row in rows]

    labels = {row["span_id"]: row["result"]["label"] for row in until(notes, 2)}
    return {"made": bool(made), "labels": [labels.get(one) for one in SPAN_IDS]}


def listed(client: Client) -> Row:
    traces = client.traces.get_traces(project_identifier=PROJECT, include_spans=True)
    sessions = client.sessions.list(project_name=PROJECT)
    turns = client.sessions.get_session_turns(session_id=SESSION)
    return {
        "traces": [len(row["spans"]) for row in traces if row["trace_id"] == TRACE_ID],
        "sessions": [row["session_id"] == SESSION for row in sessions],
        "turns": len(turns),
    }


async def asynchronous() -> Row:
    """The same by the asynchronous client, with the tenant in its URL."""
    client = AsyncClient(base_url=f"{URL}/t/default", api_key=os.environ["KEY_ALL"])
    rows = await client.spans.get_spans(project_identifier=PROJECT)
    await client.spans.add_span_annotation(
        span_id=SPAN_IDS[0], annotation_name="later", label="yes", sync=True
    )
    noted = await client.spans.get_span_annotations(
        span_ids=SPAN_IDS, project_identifier=PROJECT, include_annotation_names=["later"]
    )
    return {"spans": len(rows), "noted": len(noted)}


def main() -> None:
    client = Client(base_url=URL, api_key=os.environ["KEY_ALL"])
    seen = {
        "logged": logged(client),
        "refused": refused(client),
        "framed": framed(client),
        "annotated": annotated(client),
        "listed": listed(Client(base_url=f"{URL}/", api_key=os.environ["KEY_READ"])),
        "asynchronous": asyncio.run(asynchronous()),
    }
    sys.stdout.write("\n" + json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
