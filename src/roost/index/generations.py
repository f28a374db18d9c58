"""The files of a home's index: the one in use, and one that is being built to take its place.

Rule: a file gets its name once it is whole and closed; the newest name is the one in use, and all
others go when the home is opened.
"""

import re
from pathlib import Path

from roost.index.home import erase

FIRST = "index.db"
BUILDING = "index.building.db"
_LATER = re.compile(r"index\.(\d+)\.db")


def current(directory: Path) -> Path:
    """The file in use; what is left of others is erased."""
    newest = max(_generations(directory), default=0)
    found = _path(directory, newest)
    others = [_path(directory, one) for one in _generations(directory)]
    for path in (*others, directory / FIRST, directory / BUILDING):
        if path != found:
            erase(path)
    return found


def building(directory: Path) -> Path:
    """Where the next one is built, with nothing there."""
    erase(directory / BUILDING)
    return directory / BUILDING


def promoted(path: Path) -> Path:
    """What was built there and closed, under the name that makes it the one in use."""
    directory = path.parent
    final = _path(directory, max(_generations(directory), default=0) + 1)
    path.rename(final)
    return final


def _generations(directory: Path) -> list[int]:
    names = (_LATER.fullmatch(file.name) for file in directory.iterdir())
    return [int(name[1]) for name in names if name]


def _path(directory: Path, generation: int) -> Path:
    return directory / (f"index.{generation}.db" if generation else FIRST)
