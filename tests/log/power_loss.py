"""What a directory may hold after a crash: of all that was not synced, any part.

Rule: what was synced is there; of the rest each write is there, is not, or is there in some of its
sectors, and so is each creation, rename and removal of a name, on its own.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.log.recording_disk import (
    Create,
    Note,
    Rename,
    Said,
    Sync,
    SyncDirectory,
    Truncate,
    Unlink,
    Write,
)

SECTOR_BYTES = 512
Keeps = Callable[[], bool]
_Change = Write | Truncate
_Naming = Create | Rename | Unlink


class Medium:
    """`files` by inode and `names` are what is durable; the rest waits for its sync."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = {n: path.read_bytes() for n, path in enumerate(files)}
        self._names = {path.name: n for n, path in enumerate(files)}
        self._changes: dict[int, list[_Change]] = {}
        self._namings: list[_Naming] = []

    def take(self, note: Note) -> None:
        match note:
            case Write(inode) | Truncate(inode):
                self._changes.setdefault(inode, []).append(note)
            case Sync(inode):
                self._files[inode] = self._content(inode, lambda: True)
                self._changes[inode] = []
            case SyncDirectory():
                self._names = self._directory(lambda: True)
                self._namings = []
            case Create() | Rename() | Unlink():
                self._namings.append(note)
            case Said():
                pass

    def survivors(self, keeps: Keeps) -> dict[str, bytes]:
        """One outcome of a crash now."""
        names = self._directory(keeps)
        return {name: self._content(inode, keeps) for name, inode in names.items()}

    def _directory(self, keeps: Keeps) -> dict[str, int]:
        names = dict(self._names)
        inodes = dict(self._names)
        for naming in self._namings:
            kept = keeps()
            match naming:
                case Create(name, inode):
                    inodes[name] = inode
                    if kept:
                        names[name] = inode
                case Unlink(name):
                    inodes.pop(name)
                    if kept:
                        names.pop(name, None)
                case Rename(source, target):
                    inodes[target] = inodes.pop(source)
                    if kept:
                        names.pop(source, None)
                        names[target] = inodes[target]
        return names

    def _content(self, inode: int, keeps: Keeps) -> bytes:
        content = bytearray(self._files.get(inode, b""))
        for change in self._changes.get(inode, ()):
            match change:
                case Truncate(_, size_bytes):
                    if keeps():
                        del content[size_bytes:]
                        content.extend(bytes(size_bytes - len(content)))
                case Write(_, offset, data):
                    for start in range(0, len(data), SECTOR_BYTES):
                        if keeps():
                            _put(content, offset + start, data[start : start + SECTOR_BYTES])
        return bytes(content)


def dice(seed: int) -> random.Random:
    """The same throws each time."""
    return random.Random(seed)  # noqa: S311 not a secret


def outcomes(chance: random.Random) -> Iterator[Keeps]:
    """Nothing of it, all of it, most, and less than half."""
    yield lambda: False
    yield lambda: True
    for share in (0.9, 0.4):
        yield lambda share=share: chance.random() < share  # type: ignore[misc]


def crashes(
    files: Sequence[Path], notes: Sequence[Note], chance: random.Random
) -> Iterator[tuple[int, dict[str, bytes]]]:
    """For a crash behind each note: how many notes were taken, and one of the outcomes each."""
    medium = Medium(files)
    for count, note in enumerate(notes, 1):
        medium.take(note)
        if not isinstance(note, Said):
            for keeps in outcomes(chance):
                yield count, medium.survivors(keeps)


def _put(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    content[offset : offset + len(data)] = data
