"""Folders with npm's packages, made once for what they hold.

Rule: in the user's cache, never in the checkout; a folder is there whole or not at all.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.examples.missing import give_up, program

INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
TIMEOUT_S = 300
NOT_SOURCES = ("node_modules", ".next", ".env.local", "next-env.d.ts", "*.tsbuildinfo")

Commands = Sequence[Sequence[str]]


def made_of(
    source: Path, commands: Commands = (INSTALL,), environment: Mapping[str, str] | None = None
) -> Path:
    """A copy of `source` in which the commands have run. Made again when a file, a command or the
    environment is another."""
    program("node")
    program("npm")
    added = dict(environment or {})
    home = _cache() / f"{source.name}-{_digest(source, repr((commands, sorted(added.items()))))}"
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        _make(home, source, commands, added)
    return home


def _make(home: Path, source: Path, commands: Commands, added: Mapping[str, str]) -> None:
    """Beside its place, then renamed: a run that dies leaves nothing half made."""
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        copy = Path(folder) / "made"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*NOT_SOURCES))
        for command in commands:
            _run(command, copy, {**os.environ, **added})
        if not home.is_dir():
            copy.rename(home)


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    if done.returncode != 0:
        give_up(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-1500:]}")


def _digest(source: Path, rest: str) -> str:
    seen = hashlib.sha256(rest.encode())
    ignored = shutil.ignore_patterns(*NOT_SOURCES)
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(set(folders) - ignored(folder, folders))
        for name in sorted(set(files) - ignored(folder, files)):
            path = Path(folder) / name
            seen.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes())
    return seen.hexdigest()[:16]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "roost-tests"
