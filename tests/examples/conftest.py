"""The hosts that the examples are tried in."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.examples.collector import Collector
from tests.examples.npm import INSTALL, made_of
from tests.examples.serving import app_served, free_port, program_served

ROOT = Path(__file__).parents[2]
BUILT_FOR = "http://roost.invalid:8420"
"""The address that the cached build holds; each test's own takes its place."""
NO_NOISE = {"NEXT_TELEMETRY_DISABLED": "1"}
BUILD = ("node", "node_modules/next/dist/bin/next", "build")
START = ("node", "node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1", "-p")
AUTH_SECRET = "a-secret-of-the-host-app-0123456789abcdef"
PASSWORD = "correct horse"

NextHost = Callable[[str], str]


@pytest.fixture(scope="session")
def next_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NextHost]:
    """Starts the Next.js example before the Roost at a URL (no path); gives the host's URL.

    Its people sign in with PASSWORD; Roost reads its sessions with AUTH_SECRET.
    """
    built = made_of(
        ROOT / "examples" / "nextjs", (INSTALL, BUILD), {**NO_NOISE, "ROOST_URL": BUILT_FOR}
    )
    with ExitStack() as running:

        def start(roost_url: str) -> str:
            folder = _copy(built, tmp_path_factory.mktemp("nextjs"), roost_url)
            port = free_port()
            environment = {
                **os.environ,
                **NO_NOISE,
                "ROOST_URL": roost_url,
                "AUTH_SECRET": AUTH_SECRET,
                "AUTH_TRUST_HOST": "true",
                "DEMO_PASSWORD": PASSWORD,
            }
            command = [*START, str(port)]
            return running.enter_context(program_served(command, folder, environment, port))

        yield start


def _copy(built: Path, to: Path, roost_url: str) -> Path:
    """The build with another destination: `next build` writes it into its manifests, and takes
    half a minute."""
    ignored = shutil.ignore_patterns("node_modules", "cache")
    shutil.copytree(built, to, ignore=ignored, dirs_exist_ok=True)
    (to / "node_modules").symlink_to(built / "node_modules")
    for manifest in (to / ".next").glob("*.json"):
        text = manifest.read_text(encoding="utf-8")
        manifest.write_text(text.replace(BUILT_FOR, roost_url), encoding="utf-8")
    return to


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def collector_url(collector: Collector) -> Iterator[str]:
    with app_served(collector) as url:
        yield url
