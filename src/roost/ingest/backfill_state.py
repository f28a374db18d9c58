"""How far a backfill is, in a file of the tenant's home.

Rule 1: the file holds a whole state or the one before, whatever happens. Rule 2: it belongs to one
Phoenix, whose identity is its name; another Phoenix has another file.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from roost.errors import BadRequest, Unavailable
from roost.ingest.backfill import Place, Reject

FOLDER = "backfill"


class _Kept(Struct):
    terms: str
    place: Place


class _State(Struct):
    source: str
    projects: dict[str, _Kept]


@dataclass(slots=True)
class BackfillState:
    """`path` is None for a dry run: it remembers, and keeps nothing."""

    path: Path | None
    source: str
    _projects: dict[str, _Kept] = field(default_factory=dict)

    def of(self, project: str, terms: str) -> Place:
        kept = self._projects.get(project)
        return kept.place if kept is not None and kept.terms == terms else Place()

    def keep(self, project: str, terms: str, place: Place) -> None:
        """Durable once this returns."""
        self._projects[project] = _Kept(terms, place)
        if self.path is not None:
            _write(self.path, msgspec.json.encode(_State(self.source, self._projects)))


def state_path(home: Path, source: str) -> Path:
    return home / FOLDER / f"{hashlib.sha256(source.encode()).hexdigest()[:16]}.json"


def open_state(path: Path, source: str, *, dry: bool) -> BackfillState:
    """What an earlier run has kept; BadRequest where the file is another Phoenix's or damaged."""
    projects: dict[str, _Kept] = {}
    if path.exists():
        try:
            state = msgspec.json.decode(path.read_bytes(), type=_State)
        except msgspec.DecodeError:
            raise BadRequest(f"{path} is damaged; delete it to begin again.") from None
        if state.source != source:
            raise BadRequest(f"{path} belongs to another Phoenix; delete it to begin again.")
        projects = state.projects
    return BackfillState(None if dry else path, source, projects)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Unavailable where another run has this state. Makes the folder."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Unavailable("Another backfill of this Phoenix into this tenant is running.") from None
    finally:
        os.close(lock)


@dataclass(slots=True)
class RejectsFile:
    """A line of JSON a reject, behind those of earlier runs; no file without one."""

    path: Path | None
    _file: IO[bytes] | None = None

    def add(self, reject: Reject) -> None:
        if self.path is None:
            return
        if self._file is None:
            self._file = self.path.open("ab")
        self._file.write(msgspec.json.encode(reject) + b"\n")
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _write(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
