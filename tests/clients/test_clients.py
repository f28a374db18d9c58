"""Clients as their makers ship them, with a Roost key and Roost's URL and nothing else changed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cells.stock_phoenix import until
from tests.examples.npm import made_of
from tests.installation import Installation

HERE = Path(__file__).parent
JAVASCRIPT = HERE.parent / "data" / "otel-js" / "send.mjs"
PROJECT = "clients"
EXPORT = """
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
provider.get_tracer("t").start_span("by-environment").end()
provider.shutdown()
"""
REGISTER = """
import os
from phoenix.otel import register
provider = register(endpoint=os.environ["ENDPOINT"], protocol="http/protobuf",
                    api_key=os.environ["KEY"], project_name="clients", verbose=False)
provider.get_tracer("t").start_span("by-register").end()
provider.shutdown()
"""


@pytest.fixture(scope="module")
def key(roost: Installation) -> str:
    return roost.key("default", "write", "ingest")


@pytest.fixture(scope="module")
def seen(roost: Installation, key: str) -> dict[str, Any]:
    """What Phoenix's own client saw, in a process of its own."""
    program = str(HERE / "with_phoenix_client.py")
    read_key = roost.key("default", "read")
    done = run([program, roost.base, key, read_key], {})
    found: dict[str, Any] = json.loads(done.splitlines()[-1])
    return found


def run(arguments: list[str], environment: dict[str, str], program: str = sys.executable) -> str:
    plain = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        [program, *arguments],
        env={**plain, **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stored(roost: Installation, key: str, name: str, project: str = PROJECT) -> None:
    """Wait until a span of that name is in the tenant's Phoenix."""
    with roost.client(key) as plain:
        until(
            lambda: f'"{name}"' in plain.get(f"/v1/projects/{project}/spans").text,
            f"{name} was stored",
            30,
        )


def test_spans_are_logged_read_and_annotated(seen: dict[str, Any]) -> None:
    assert seen["spans"] == {"queued": 1, "found": ["by-client"], "noted": ["right"]}


def test_datasets_and_experiments(seen: dict[str, Any]) -> None:
    assert seen["experiments"] == {"examples": 2, "runs": 2, "scores": [1.0, 1.0]}


def test_prompts(seen: dict[str, Any]) -> None:
    assert seen["prompts"]


def test_the_asynchronous_client_with_the_tenant_in_its_url(seen: dict[str, Any]) -> None:
    assert seen["asynchronous"] >= 1


def test_a_key_that_reads_cannot_write(seen: dict[str, Any]) -> None:
    assert seen["refused"]["status"] == 403
    assert "scope `write`" in seen["refused"]["detail"]


def test_opentelemetry_by_environment_alone(roost: Installation, key: str) -> None:
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": roost.base,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{key},x-project-name={PROJECT}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }
    run(["-c", EXPORT], settings)
    stored(roost, key, "by-environment")


def test_phoenix_s_own_register(roost: Installation, key: str) -> None:
    run(["-c", REGISTER], {"ENDPOINT": f"{roost.base}/v1/traces", "KEY": key})
    stored(roost, key, "by-register")


@pytest.mark.parametrize("kind", ["proto", "json"])
def test_opentelemetry_in_javascript(roost: Installation, key: str, kind: str) -> None:
    packages = str(made_of(JAVASCRIPT.parent))
    arguments = [str(JAVASCRIPT), roost.base, key, f"from-js-{kind}", kind]
    run(arguments, {"OTEL_JS": packages}, "node")
    stored(roost, key, "hello from JavaScript", f"from-js-{kind}")
