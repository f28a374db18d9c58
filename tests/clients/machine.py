"""A client's machine: a process that has what its user installed, and knows Roost by URL and key.

Rule: no test imports `phoenix`. Beside an installed Phoenix its client would import all of it
first; here it stands alone, as where only `arize-phoenix-client` is installed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.cells.stock_phoenix import require

TIMEOUT_S = 120
PARTS = ("client", "evals", "otel")


def client_alone(folder: Path) -> Path:
    """`folder` as an import path on which `phoenix` holds its client's parts and nothing else."""
    found = find_spec("phoenix")
    require(found, "arize-phoenix-client")
    assert found is not None
    assert found.submodule_search_locations
    package = folder / "phoenix"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").touch()
    for part in PARTS:
        (package / part).symlink_to(Path(found.submodule_search_locations[0]) / part)
    return folder


def run(
    arguments: Sequence[str], environment: Mapping[str, str], program: str = sys.executable
) -> str:
    """What the program prints; AssertionError with all it said where it fails."""
    plain = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        [program, *arguments],
        env={**plain, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def told(printed: str) -> Any:
    """The JSON in the last line: what a program has to tell, after what its packages say."""
    return json.loads(printed.splitlines()[-1])
