"""What a client sends, judged, masked and made ready for the log.

Rule 1: what is judged is what is stored: every ResourceSpans leaves here with exactly one project,
the one that was chosen. Rule 2: what is wrong with one span is never the loss of another. Rule 3:
what the rules of masking name does not leave here. Rule 4: nothing is acknowledged before the sink
has it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from roost.errors import BadRequest
from roost.ingest.decode import Encoding, Limits, decode
from roost.ingest.mask import NO_MASK, Mask
from roost.ingest.split import span_count, split
from roost.log.records import PROJECT_ATTRIBUTE, project_of
from roost.model import IngestGrant, TenantId
from roost.policy.decision import Refuse
from roost.policy.ingest import choose_project

LOGS_NOT_TAKEN = (
    "Roost takes traces only, no logs yet. Send spans to /v1/traces, and switch the log exporter"
    " off (OTEL_LOGS_EXPORTER=none)."
)
METRICS_NOT_TAKEN = (
    "Roost takes traces only, no metrics. Send spans to /v1/traces, and switch the metrics exporter"
    " off (OTEL_METRICS_EXPORTER=none)."
)

_MAX_REASONS = 5
_INFLATION = 8
"""As much as traces shrink by gzip, or less."""
_BAD_TRACE_ID = "the trace id is not 16 bytes, or all zero"
_BAD_SPAN_ID = "the span id is not 8 bytes, or all zero"
_BAD_PARENT_ID = "the parent span id is not 8 bytes"
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


@dataclass(frozen=True, slots=True)
class Rejected:
    """`count` spans that were not taken, and why; safe to show. `project` is "" where the fault
    is the span's own."""

    project: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What a client sent; `project` is its `x-project-name`, None where it has none."""

    body: bytes
    content_type: str = Encoding.PROTOBUF
    content_encoding: str = ""
    project: str | None = None

    @property
    def work_bytes(self) -> int:
        """About how much there is to work on."""
        return len(self.body) * (_INFLATION if self.content_encoding else 1)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every batch of this installation."""

    limits: Limits = field(default_factory=Limits)
    mask: Mask = NO_MASK


@dataclass(frozen=True, slots=True)
class Prepared:
    """`payloads` are serialised ExportTraceServiceRequests, each the body of one record of the log,
    each ResourceSpans stamped with its project; none where no span is left."""

    payloads: tuple[bytes, ...]
    accepted: int
    rejected: tuple[Rejected, ...]


Sink = Callable[[TenantId, tuple[bytes, ...]], Awaitable[object]]
"""Takes payloads in their order, all of them or none, and returns once they are durable; or raises
Unavailable: the client keeps them and tries again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the exporter gets, with status 200."""

    body: bytes
    content_type: str


def prepare(batch: Batch, grant: IngestGrant, terms: Terms) -> Prepared:
    """The batch as it goes to the sink; pure, about 10 µs of CPU a span in protobuf.

    Raises TooLarge or BadRequest for the request as a whole, also where no span could be taken:
    OTLP's partial success is for a part, and Python's exporter does not show it.
    """
    request = decode(batch.body, batch.content_type, batch.content_encoding, terms.limits)
    prepared = judge(request, batch.project, grant, terms.mask)
    if prepared.rejected and not prepared.accepted:
        raise BadRequest(f"no span was taken: {_explain(prepared.rejected)}")
    return prepared


def judge(
    request: ExportTraceServiceRequest, header_project: str | None, grant: IngestGrant, mask: Mask
) -> Prepared:
    """Drops from `request` what may not enter, masks and stamps the rest."""
    rejected: Counter[tuple[str, str]] = Counter()
    kept = [
        one
        for one in request.resource_spans
        if _enters(one, _project(one, header_project, grant), mask, rejected)
    ]
    if len(kept) < len(request.resource_spans):
        request = ExportTraceServiceRequest(resource_spans=kept)
    return Prepared(
        payloads=split(request),
        accepted=span_count(request),
        rejected=tuple(
            Rejected(project, reason, count) for (project, reason), count in rejected.items()
        ),
    )


async def receive(tenant: TenantId, prepared: Prepared, sink: Sink) -> None:
    """Hands the payloads to the sink and returns once it has them; raises what the sink raises."""
    if prepared.payloads:
        await sink(tenant, prepared.payloads)


def answer(prepared: Prepared, encoding: Encoding) -> Answer:
    """The ExportTraceServiceResponse, in the request's own encoding."""
    count = sum(one.count for one in prepared.rejected)
    message = _explain(prepared.rejected) if count else ""
    if encoding is Encoding.JSON:
        partial = {"rejectedSpans": str(count), "errorMessage": message}
        body = msgspec.json.encode({"partialSuccess": partial} if count else {})
    else:
        body = response(prepared).SerializeToString()
    return Answer(body, encoding.value)


def response(prepared: Prepared) -> ExportTraceServiceResponse:
    """Partial success is left out where everything was taken."""
    count = sum(one.count for one in prepared.rejected)
    if not count:
        return ExportTraceServiceResponse()
    message = _explain(prepared.rejected)
    partial = ExportTracePartialSuccess(rejected_spans=count, error_message=message)
    return ExportTraceServiceResponse(partial_success=partial)


@dataclass(frozen=True, slots=True)
class _Choice:
    """`refused` says why a group may not enter `project`, "" where it may."""

    project: str
    refused: str = ""


def _project(group: ResourceSpans, header_project: str | None, grant: IngestGrant) -> _Choice:
    named = _named_project(group)
    project = choose_project(header_project, named, grant)
    if isinstance(project, Refuse):
        shown = header_project if header_project is not None else named
        return _Choice(shown or grant.default_project, project.pointer)
    return _Choice(project)


def _enters(
    group: ResourceSpans, choice: _Choice, mask: Mask, rejected: Counter[tuple[str, str]]
) -> bool:
    """Whether any span of the group is left; it is masked and stamped with its project then."""
    if choice.refused:
        count = sum(len(scope.spans) for scope in group.scope_spans)
        rejected[choice.project, choice.refused] += count
        return False
    left = sum([_sift(scope, rejected) for scope in group.scope_spans])
    if left:
        mask.hide(group)
        _stamp(group, choice.project)
    return left > 0


def _named_project(group: ResourceSpans) -> str | None:
    """The first one counts, as it does in Phoenix; a value that is not text counts as ""."""
    attributes = group.resource.attributes
    if any(pair.key == PROJECT_ATTRIBUTE for pair in attributes):
        return project_of(attributes)
    return None


def _stamp(group: ResourceSpans, project: str) -> None:
    attributes = group.resource.attributes
    for at in reversed(range(len(attributes))):
        if attributes[at].key == PROJECT_ATTRIBUTE:
            del attributes[at]
    attributes.append(KeyValue(key=PROJECT_ATTRIBUTE, value=AnyValue(string_value=project)))


def _sift(scope: ScopeSpans, rejected: Counter[tuple[str, str]]) -> int:
    """Drops the spans whose ids are not valid; returns how many are left."""
    faults = [_fault(span) for span in scope.spans]
    if any(faults):
        kept = [span for span, fault in zip(scope.spans, faults, strict=True) if not fault]
        rejected.update(("", fault) for fault in faults if fault)
        _replace(scope, kept)
    return len(scope.spans)


def _replace(scope: ScopeSpans, spans: list[Span]) -> None:
    copies = ScopeSpans(spans=spans)
    del scope.spans[:]
    scope.MergeFrom(copies)


def _fault(span: Span) -> str:
    """Why the span cannot be stored, or "". A parent of zeros is how some clients say "none"."""
    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        return _BAD_TRACE_ID
    if len(span_id) != 8 or span_id == _NO_SPAN:
        return _BAD_SPAN_ID
    if parent_id == _NO_SPAN:
        span.ClearField("parent_span_id")
    elif parent_id and len(parent_id) != 8:
        return _BAD_PARENT_ID
    return ""


def _explain(rejected: tuple[Rejected, ...]) -> str:
    reasons = [f"{one.count} spans: {one.reason}" for one in rejected[:_MAX_REASONS]]
    if (more := len(rejected) - _MAX_REASONS) > 0:
        reasons.append(f"and {more} more reasons")
    return "; ".join(reasons)
