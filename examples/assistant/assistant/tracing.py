"""Where spans go: an OTLP endpoint, or a file. Rule: OpenTelemetry's own exporters, unchanged.

The provider is OpenInference's, so that `using_session` and `using_user` reach every span.
"""

from pathlib import Path

from openinference.instrumentation import TracerProvider
from openinference.semconv.resource import ResourceAttributes
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter


def provider(exporter: SpanExporter | None, project: str) -> TracerProvider:
    """Its owner calls `shutdown()`, which sends what is left."""
    resource = Resource({SERVICE_NAME: "assistant", ResourceAttributes.PROJECT_NAME: project})
    made = TracerProvider(resource=resource)
    if exporter is not None:
        made.add_span_processor(BatchSpanProcessor(exporter))
    return made


def to_endpoint(base_url: str, key: str) -> SpanExporter:
    """`base_url` is Roost's (`…/api/phoenix`), `key` one with the scope `ingest`."""
    return OTLPSpanExporter(
        endpoint=f"{base_url.rstrip('/')}/v1/traces", headers={"authorization": f"Bearer {key}"}
    )


def to_file(path: Path) -> SpanExporter:
    """Appends OTLP/JSON, a batch a line. Needs the extra `record`."""
    from opentelemetry.exporter.otlp.json.file import FileSpanExporter

    exporter: SpanExporter = FileSpanExporter(path)
    return exporter
