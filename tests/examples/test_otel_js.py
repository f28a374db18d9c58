"""OpenTelemetry's JavaScript exporters, unmodified, as `tests/data/otel-js` runs them."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.examples.collector import BASE, KEY, Collector
from tests.examples.npm import made_of

SCRIPT = Path(__file__).parents[1] / "data" / "otel-js" / "send.mjs"
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def packages() -> Path:
    return made_of(SCRIPT.parent)


def run(packages: Path, base_url: str, key: str, kind: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["node", str(SCRIPT), base_url, key, "from-js", kind],
        env={**os.environ, "OTEL_JS": str(packages)},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


@pytest.mark.parametrize("kind", ["proto", "json"])
def test_a_trace_is_sent(
    packages: Path, collector: Collector, collector_url: str, kind: str
) -> None:
    done = run(packages, f"{collector_url}{BASE}", KEY, kind)
    assert done.returncode == 0, done.stderr
    assert {span.name for span in collector.spans} == {"hello from JavaScript", "inside"}
    if kind == "proto":
        assert {span.trace_id.hex() for span in collector.spans} == {done.stdout.strip()}


def test_a_refused_key_fails_the_script(packages: Path, collector_url: str) -> None:
    assert run(packages, f"{collector_url}{BASE}", "rk_wrong", "proto").returncode != 0
