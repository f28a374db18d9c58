"""OpenTelemetry's exporters and Phoenix's `register`, as their makers ship them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.clients.conftest import Stored
from tests.clients.machine import run
from tests.examples.npm import made_of
from tests.installation import Installation

JAVASCRIPT = Path(__file__).parents[1] / "data" / "otel-js" / "send.mjs"
PROJECT = "exported"
EXPORT = """
import sys
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
provider.get_tracer("t").start_span(sys.argv[1]).end()
provider.shutdown()
"""
REGISTER = """
import json, sys
from phoenix.otel import register
provider = register(verbose=False, **json.loads(sys.argv[2]))
provider.get_tracer("t").start_span(sys.argv[1]).end()
provider.shutdown()
"""


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_the_python_exporter_by_environment_alone(
    roost: Installation, keys: Mapping[str, str], stored: Stored, compression: str
) -> None:
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": roost.base,
        "OTEL_EXPORTER_OTLP_HEADERS": (
            f"authorization=Bearer%20{keys['ingest']},x-project-name={PROJECT}"
        ),
        "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
    }
    run(["-c", EXPORT, f"python-{compression}"], settings)
    stored(f"python-{compression}", PROJECT)


def test_the_python_exporter_at_the_base_url_itself(
    roost: Installation, keys: Mapping[str, str], stored: Stored
) -> None:
    """OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is taken as it is, without `/v1/traces`."""
    settings = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": roost.base,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{keys['ingest']}",
        "OTEL_RESOURCE_ATTRIBUTES": f"openinference.project.name={PROJECT}",
    }
    run(["-c", EXPORT, "python-bare"], settings)
    stored("python-bare", PROJECT)


@pytest.mark.parametrize("way", ["api_key", "headers", "environment"])
def test_register(
    roost: Installation,
    keys: Mapping[str, str],
    client_path: str,
    stored: Stored,
    way: str,
) -> None:
    key, environment = keys["ingest"], {"PYTHONPATH": client_path}
    options: dict[str, object] = {"project_name": PROJECT, "protocol": "http/protobuf"}
    if way == "environment":
        environment |= {"PHOENIX_COLLECTOR_ENDPOINT": roost.base, "PHOENIX_API_KEY": key}
    else:
        options["endpoint"] = f"{roost.base}/v1/traces"
        bearer = {"authorization": f"Bearer {key}"}
        options |= {"api_key": key} if way == "api_key" else {"headers": bearer}
    run(["-c", REGISTER, f"register-{way}", json.dumps(options)], environment)
    stored(f"register-{way}", PROJECT)


@pytest.mark.parametrize("kind", ["proto", "json"])
def test_the_javascript_exporter(
    roost: Installation, keys: Mapping[str, str], stored: Stored, kind: str
) -> None:
    packages = str(made_of(JAVASCRIPT.parent))
    project = f"from-js-{kind}"
    arguments = [str(JAVASCRIPT), roost.base, keys["ingest"], project, kind]
    run(arguments, {"OTEL_JS": packages}, "node")
    stored("hello from JavaScript", project)
