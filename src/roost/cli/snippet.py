"""The first trace: what `roost up` prints for people to paste."""

import shlex
import sys

_PROGRAM = """\
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

exporter = OTLPSpanExporter("{endpoint}", headers={{"authorization": "Bearer {key}"}})
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
with provider.get_tracer("first-trace").start_as_current_span("hello, roost") as span:
    span.set_attribute("openinference.span.kind", "CHAIN")
    span.set_attribute("input.value", "Is anybody there?")
    span.set_attribute("output.value", "Yes: look into the project `default`.")
provider.shutdown()
"""


def first_trace(endpoint: str, key: str) -> str:
    """A shell command that sends one trace by OpenTelemetry's own SDK."""
    program = _PROGRAM.format(endpoint=endpoint, key=key)
    return f"{shlex.quote(sys.executable)} - <<'PYTHON'\n{program}PYTHON"
