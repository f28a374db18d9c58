"""What a span costs between a client's bytes and the log: CPU of this thread, no socket, no disk.

Beside it, in the same run, what protobuf itself takes to parse and to write the same batches: the
least that anybody pays who reads what he stores. Absolute times move with the machine; the rows
take turns, so ratios of one run compare.
"""

import argparse
import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence

from bench.traces import Traces
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from roost.ingest.decode import Encoding, inflate
from roost.ingest.intake import Batch, Prepared, Terms, prepare
from roost.ingest.mask import Mask, parse_mask
from roost.ingest.split import span_count
from roost.model import IngestGrant

GRANT = IngestGrant()
LIMIT_BYTES = 64 * 2**20
KEYS = ("keys:llm.input_messages.*.message.content", "keys:*.password")
PATTERNS = ("email", "credit-card", "ipv4", "ipv6", "aws-key", "bearer-token")
MASKS = {
    "no rules": parse_mask(()),
    "2 keys": parse_mask(KEYS),
    "e-mail": parse_mask(PATTERNS[:1]),
    "6 patterns": parse_mask(PATTERNS),
    "keys and patterns": parse_mask((*KEYS, *PATTERNS)),
}
PLAIN = "protobuf's own parse and write"

Work = Callable[[bytes], object]
Row = tuple[str, Work, Sequence[bytes]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=4_000)
    parser.add_argument("--batch-spans", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    bodies = list(Traces(7).batches(options.spans, options.batch_spans))
    spans = sum(span_count(ExportTraceServiceRequest.FromString(one)) for one in bodies)
    print(f"{len(bodies)} batches, {spans} spans of {sum(map(len, bodies)) / spans:.0f} B")
    costs = measure(list(rows(bodies)), options.rounds)
    for name, took_s in costs.items():
        ratio = took_s / costs[PLAIN]
        print(f"{name:34}{took_s / spans * 1e6:8.1f} µs a span{ratio:8.1f}x")


def rows(bodies: Sequence[bytes]) -> Iterator[Row]:
    packed = [gzip.compress(body, 6) for body in bodies]
    yield PLAIN, parse_and_write, bodies
    yield "gunzip", lambda body: inflate(body, "gzip", LIMIT_BYTES), packed
    for name, mask in MASKS.items():
        yield f"protobuf, {name}", taking(Encoding.PROTOBUF, "", mask), bodies
    yield "protobuf, gzip, no rules", taking(Encoding.PROTOBUF, "gzip", MASKS["no rules"]), packed
    as_json = [json_of(body) for body in bodies]
    for name, mask in MASKS.items():
        yield f"JSON, {name}", taking(Encoding.JSON, "", mask), as_json


def measure(rows: Sequence[Row], rounds: int) -> dict[str, float]:
    """Seconds a row, the least of all rounds."""
    least = dict.fromkeys([name for name, _, _ in rows], float("inf"))
    for _ in range(rounds):
        for name, work, bodies in rows:
            least[name] = min(least[name], cost(work, bodies))
    return least


def cost(work: Work, bodies: Sequence[bytes]) -> float:
    began = time.thread_time()
    for body in bodies:
        work(body)
    return time.thread_time() - began


def taking(encoding: Encoding, compression: str, mask: Mask) -> Callable[[bytes], Prepared]:
    terms = Terms(mask=mask)
    return lambda body: prepare(Batch(body, encoding, compression), GRANT, terms)


def parse_and_write(body: bytes) -> bytes:
    return ExportTraceServiceRequest.FromString(body).SerializeToString()


def json_of(body: bytes) -> bytes:
    """OTLP's JSON: protobuf's own mapping, the ids in hex."""
    request = ExportTraceServiceRequest.FromString(body)
    document = json_format.MessageToDict(request, use_integers_for_enums=True)
    for source, into in zip(request.resource_spans, document["resourceSpans"], strict=True):
        for scope, told in zip(source.scope_spans, into["scopeSpans"], strict=True):
            for span, one in zip(scope.spans, told["spans"], strict=True):
                one["traceId"], one["spanId"] = span.trace_id.hex(), span.span_id.hex()
                one["parentSpanId"] = span.parent_span_id.hex()
    return json.dumps(document).encode()


if __name__ == "__main__":
    main()
