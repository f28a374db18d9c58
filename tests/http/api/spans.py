"""Spans as an assistant's tracer sends them, for tests of the API."""

from collections.abc import Iterable, Mapping

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

START_NS = 1_789_990_000_000_000_000
MS = 1_000_000
FAILED = Status(code=Status.STATUS_CODE_ERROR, message="the status of it")

Value = str | int | float | bool | list[str]


def trace_id(number: int) -> str:
    return f"{number:032x}"


def span_id(number: int) -> str:
    return f"{number:016x}"


def a_span(
    trace: int,
    number: int,
    parent: int = 0,
    *,
    name: str = "answer",
    attributes: Mapping[str, Value] | None = None,
    at_ms: int = 0,
    lasts_ms: int = 100,
    failed: bool = False,
    events: Iterable[Span.Event] = (),
) -> Span:
    start = START_NS + at_ms * MS
    return Span(
        trace_id=bytes.fromhex(trace_id(trace)),
        span_id=bytes.fromhex(span_id(number)),
        parent_span_id=bytes.fromhex(span_id(parent)) if parent else b"",
        name=name,
        start_time_unix_nano=start,
        end_time_unix_nano=start + lasts_ms * MS,
        attributes=pairs(attributes or {}),
        events=events,
        status=FAILED if failed else None,
    )


def pairs(values: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value_of(value)) for key, value in values.items()]


def value_of(value: Value) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=map(value_of, value)))
        case _:
            return AnyValue(string_value=value)


def batch(spans: Iterable[Span], project: str = "default") -> bytes:
    attributes = {"openinference.project.name": project, "service.name": "the resource of it"}
    scope = ScopeSpans(spans=spans)
    scope.scope.name, scope.scope.version = "tracer", "1.2"
    group = ResourceSpans(resource=Resource(attributes=pairs(attributes)), scope_spans=[scope])
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


def an_exception(message: str) -> Span.Event:
    values = {
        "exception.type": "ValueError",
        "exception.message": message,
        "exception.stacktrace": "the stack of it",
    }
    return Span.Event(name="exception", time_unix_nano=START_NS, attributes=pairs(values))


def conversation(number: int, user: str | None, *, session: str = "", at_ms: int = 0) -> list[Span]:
    """An agent that calls a model and a tool: five spans, with texts that say what they are."""
    own: dict[str, Value] = {} if user is None else {"user.id": user}
    if session:
        own["session.id"] = session
    first = number * 10
    said = f"{user}-{number}"
    return [
        a_span(
            number, first + 1, name=f"agent-{user}", at_ms=at_ms, lasts_ms=1_000,
            attributes={
                "openinference.span.kind": "AGENT", "input.value": f"question-{said}",
                "output.value": f"answer-{said}",
                "metadata": f'{{"note": "metadata-{said}"}}', **own,
            },
        ),
        a_span(
            number, first + 2, first + 1, name="ChatCompletion", at_ms=at_ms + 10, lasts_ms=300,
            attributes={
                "openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini",
                "llm.provider": "openai", "llm.token_count.prompt": 100,
                "llm.token_count.completion": 20, "llm.token_count.total": 120,
                "llm.invocation_parameters": f'{{"secret": "parameters-{said}"}}',
                "llm.input_messages.0.message.role": "system",
                "llm.input_messages.0.message.content": f"prompt-{said}",
                "llm.input_messages.1.message.role": "user",
                "llm.input_messages.1.message.content": f"asked-{said}",
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.content": f"told-{said}",
                "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments":
                    f"toolarguments-{said}",
                "input.value": f"rawrequest-{said}", "output.value": f"rawanswer-{said}", **own,
            },
        ),
        a_span(
            number, first + 3, first + 1, name="search", at_ms=at_ms + 400, failed=True,
            attributes={
                "openinference.span.kind": "TOOL", "tool.name": "search",
                "input.value": f"toolinput-{said}", "output.value": f"tooloutput-{said}",
                "tool.parameters": f'{{"q": "toolarg-{said}"}}', **own,
            },
            events=[an_exception(f"exception-{said}")],
        ),
        a_span(
            number, first + 4, first + 1, name="retrieve", at_ms=at_ms + 500,
            attributes={
                "openinference.span.kind": "RETRIEVER", "input.value": f"query-{said}",
                "retrieval.documents.0.document.content": f"document-{said}", **own,
            },
        ),
        a_span(
            number, first + 5, first + 1, name="step", at_ms=at_ms + 600,
            attributes={
                "openinference.span.kind": "CHAIN", "input.value": f"innerinput-{said}",
                "my.own": f"custom-{said}", **own,
            },
        ),
    ]  # fmt: skip


OPEN_TO_OWNERS = ("question", "answer", "asked", "told")
HIDDEN = (
    "metadata", "parameters", "prompt", "toolarguments", "rawrequest", "rawanswer", "toolinput",
    "tooloutput", "toolarg", "exception", "query", "document", "innerinput", "custom",
)  # fmt: skip
