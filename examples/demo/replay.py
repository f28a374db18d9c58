"""Send the recorded traces as if they had just happened.

Rule: nothing is made up. Names, texts, tokens, durations and errors are as recorded; only times,
ids and the session's suffix change. Ids depend on the recording and the day alone, so a second
run on one day sends nothing new, and Phoenix ignores what it has.
"""

import argparse
import base64
import datetime
import gzip
import hashlib
import http.client
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACES = Path(__file__).with_name("traces")
SESSION = "session.id"
TIMEOUT_S = 60
IDS = ("traceId", "spanId", "parentSpanId")


class NotTakenError(RuntimeError):
    """The endpoint refused the traces; the message has its status and answer."""


def recorded(tenant: str) -> list[ExportTraceServiceRequest]:
    """All batches of that tenant, in recorded order. Raises FileNotFoundError."""
    with gzip.open(TRACES / f"{tenant}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [_parse(line) for line in lines]


def _parse(line: str) -> ExportTraceServiceRequest:
    """OTLP's JSON writes ids in hex, protobuf's JSON wants base64."""
    data = json.loads(line)
    for resource in data["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in IDS:
                    if name in span:
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return ParseDict(data, ExportTraceServiceRequest())


def as_of(
    batches: Iterable[ExportTraceServiceRequest], now_ns: int, day: datetime.date
) -> list[ExportTraceServiceRequest]:
    """Copies whose last span ends at `now_ns` (nanoseconds since the epoch), with ids of `day`."""
    copies = [ExportTraceServiceRequest.FromString(batch.SerializeToString()) for batch in batches]
    spans = [span for copy in copies for span in spans_of(copy)]
    later_ns = now_ns - max(span.end_time_unix_nano for span in spans)
    for span in spans:
        _shift(span, later_ns)
        _rename(span, day.isoformat())
    return copies


def spans_of(batch: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in batch.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def _shift(span: Span, later_ns: int) -> None:
    span.start_time_unix_nano += later_ns
    span.end_time_unix_nano += later_ns
    for event in span.events:
        event.time_unix_nano += later_ns


def _rename(span: Span, day: str) -> None:
    span.trace_id = _id_of(span.trace_id, day)
    span.span_id = _id_of(span.span_id, day)
    span.parent_span_id = _id_of(span.parent_span_id, day)
    for attribute in span.attributes:
        if attribute.key == SESSION:
            attribute.value.string_value += f"-{day}"


def _id_of(recorded_id: bytes, day: str) -> bytes:
    """As long as the recorded one; none stays none."""
    return hashlib.sha256(recorded_id + day.encode()).digest()[: len(recorded_id)]


def send(batches: Iterable[ExportTraceServiceRequest], base_url: str, key: str) -> int:
    """Posts OTLP protobuf to `<base_url>/v1/traces`; how many spans went. Raises NotTakenError
    and OSError."""
    url = urlsplit(base_url)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.netloc, timeout=TIMEOUT_S)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/x-protobuf"}
    sent = 0
    try:
        for batch in batches:
            connection.request(
                "POST", f"{url.path.rstrip('/')}/v1/traces", batch.SerializeToString(), headers
            )
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            if answer.status != http.client.OK:
                raise NotTakenError(f"{answer.status} {answer.reason}: {text[:500]}")
            sent += sum(1 for _ in spans_of(batch))
    finally:
        connection.close()
    return sent


def replay(tenant: str, base_url: str, key: str) -> int:
    """Sends that tenant's recording as of now; how many spans went."""
    today = datetime.datetime.now(datetime.UTC).date()
    return send(as_of(recorded(tenant), time.time_ns(), today), base_url, key)


def main() -> None:
    parser = argparse.ArgumentParser(prog="replay", description="Send a tenant's recorded traces.")
    parser.add_argument("tenant", choices=sorted(p.name.split(".")[0] for p in TRACES.glob("*.gz")))
    parser.add_argument("--endpoint", required=True, help="Roost's base URL, …/api/phoenix")
    chosen = parser.parse_args()
    if not (key := os.environ.get("PHOENIX_API_KEY")):
        sys.exit("Set PHOENIX_API_KEY to a Roost key of that tenant with the scope `ingest`")
    print(f"{replay(chosen.tenant, chosen.endpoint, key)} spans sent")


if __name__ == "__main__":
    main()
