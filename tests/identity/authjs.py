"""The real NextAuth and Auth.js from npm, asked to set their session cookies.

Rule: installed once a lock file into the user's cache, never into the checkout.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parent.parent / "data" / "authjs"
INSTALL = ["npm", "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"]
TIMEOUT_S = 180

Wish = Mapping[str, object]


def mint(wishes: Sequence[Wish]) -> list[dict[str, str]]:
    """The cookies that the libraries set for each wish, as `mint.mjs` describes them."""
    answer = subprocess.run(
        ["node", str(PACKAGES / "mint.mjs"), str(_installed())],
        input=json.dumps(wishes),
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    minted: list[dict[str, str]] = json.loads(answer.stdout)
    return minted


def _installed() -> Path:
    """The folder whose `node_modules` the lock file describes."""
    _require("node")
    lock = (PACKAGES / "package-lock.json").read_bytes()
    home = _cache() / f"authjs-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not home.is_dir():
        _require("npm")
        _install(home)
    return home


def _install(home: Path) -> None:
    """Beside its place, then renamed: a run that dies leaves nothing half made."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        made = Path(folder) / "made"
        made.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PACKAGES / name, made)
        done = subprocess.run(
            INSTALL, cwd=made, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
        if done.returncode != 0:
            _missing(f"npm ci failed: {done.stderr[-500:]}")
        if not home.is_dir():
            made.rename(home)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "roost-tests"


def _require(program: str) -> None:
    if shutil.which(program) is None:
        _missing(f"{program} is not installed (scripts/system-deps does it)")


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
