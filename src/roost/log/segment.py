"""One segment: a SQLite file that holds consecutive records, named by the first of them.

Rule 1: the newest segment alone is written to, in WAL mode with synchronous=FULL, by the one
connection that writes and checkpoints it; the others are read-only. Rule 2: when it is sealed all
of it is in its main file, which never changes again: it is replaced as a whole.
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from roost.log.base import BEGINNING, Kind, Position
from roost.log.disk import SIDE_FILES, Connection, Disk
from roost.log.faults import damaged
from roost.log.row import COLUMNS, Row, row_of

SUFFIX = ".db"
UNFINISHED = ".new"

_FORMAT = 1
_CHECKPOINT_BYTES = 16 * 2**20
_CACHE_KIBIBYTES = 1024
_SCHEMA = (
    "CREATE TABLE segment (first INTEGER NOT NULL, at REAL NOT NULL)",
    "CREATE TABLE records (position INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL,"
    " size INTEGER NOT NULL, deflated INTEGER NOT NULL, checksum INTEGER NOT NULL,"
    " data BLOB NOT NULL)",
    f"PRAGMA user_version={_FORMAT}",
)
_SEALED = "mode=ro&immutable=1"
_INSERT = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)"
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM records"  # noqa: S608 names of ours


@dataclass(frozen=True, slots=True)
class Segment:
    """`last` is `first - 1` while it is empty. `edition` counts its replacements."""

    path: Path
    first: Position
    last: Position
    file_bytes: int
    sealed: bool
    edition: int = 0

    @property
    def is_empty(self) -> bool:
        """Only the newest one can be."""
        return self.last < self.first

    @property
    def uri(self) -> str:
        """To read it. A sealed one needs no locks and no side files."""
        return _uri(self.path, _SEALED if self.sealed else "mode=ro")


@dataclass(frozen=True, slots=True)
class Head:
    """`at` is the time of the newest record, or of the one before the segment."""

    first: Position
    last: Position
    at: float


def path_of(directory: Path, first: Position) -> Path:
    return directory / f"{first:020}{SUFFIX}"


def side_files(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in SIDE_FILES]


def file_bytes(disk: Disk, path: Path) -> int:
    """What it takes on disk; the index of a WAL does not count, it holds nothing."""
    return disk.size_bytes(path) + disk.size_bytes(path.with_name(path.name + "-wal"))


def create(disk: Disk, path: Path, first: Position, at: float, rows: Iterable[Row] = ()) -> None:
    """A file at `path` that is whole on disk; its name is not durable yet."""
    with closing(disk.connect(_uri(path, "mode=rwc"))) as connection:
        connection.execute("PRAGMA journal_mode=OFF").close()
        connection.execute("PRAGMA synchronous=FULL").close()
        connection.execute("BEGIN").close()
        for statement in _SCHEMA:
            connection.execute(statement).close()
        connection.execute("INSERT INTO segment VALUES (?, ?)", (first, at)).close()
        insert(connection, rows)
        connection.execute("COMMIT").close()


def open_to_write(disk: Disk, path: Path) -> Connection:
    """What a crash left in its WAL is recovered by the first statement."""
    connection = disk.connect(_uri(path, "mode=rw"))
    page_bytes = int(connection.execute("PRAGMA page_size").fetchone()[0])
    for setting in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "fullfsync=ON",
        f"cache_size=-{_CACHE_KIBIBYTES}",
        f"wal_autocheckpoint={_CHECKPOINT_BYTES // page_bytes}",
        f"journal_size_limit={_CHECKPOINT_BYTES}",
    ):
        connection.execute(f"PRAGMA {setting}").fetchone()
    return connection


def checkpoint(connection: Connection) -> bool:
    """Move all of the WAL into the main file and empty it; False where a reader is in the way."""
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def recover(disk: Disk, path: Path) -> None:
    """Bring what a crash left beside the main file into it."""
    with closing(disk.connect(_uri(path, "mode=rw"))) as connection:
        connection.execute("PRAGMA synchronous=FULL").close()
        checkpoint(connection)


def head_of(disk: Disk, path: Path) -> Head:
    """That of a file with nothing beside it."""
    with closing(disk.connect(_uri(path, _SEALED))) as connection:
        return head(connection, path)


def head(connection: Connection, path: Path) -> Head:
    """Raises Damaged where the file is not the segment that its name says."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != _FORMAT:
        raise damaged(path, f"its format is {version}, not {_FORMAT}")
    first, at = connection.execute("SELECT first, at FROM segment").fetchone() or (0, 0.0)
    if path != path_of(path.parent, Position(first)):
        raise damaged(path, f"it says that it begins with {first}")
    newest = connection.execute(
        "SELECT position, at FROM records ORDER BY position DESC LIMIT 1"
    ).fetchone()
    last, at = newest or (first - 1, at)
    return Head(Position(first), Position(last), at)


def insert(connection: Connection, rows: Iterable[Row]) -> None:
    connection.executemany(_INSERT, rows).close()


def rows_between(
    connection: Connection, after: Position, last: Position
) -> Generator[Row, None, None]:
    """Close it, or the segment can't be sealed."""
    cursor = connection.execute(
        f"{_SELECT} WHERE position > ? AND position <= ? ORDER BY position", (after, last)
    )
    with closing(cursor):
        yield from cursor


def row_at(connection: Connection, position: Position) -> Row | None:
    with closing(connection.execute(f"{_SELECT} WHERE position = ?", (position,))) as cursor:
        row: Row | None = cursor.fetchone()
    return row


def rewrite(disk: Disk, segment: Segment, bodies: Mapping[Position, bytes]) -> Path:
    """A sealed segment with other bodies, beside it; whole on disk, not yet in its place."""
    target = segment.path.with_suffix(UNFINISHED)
    for path in (target, *side_files(target)):
        disk.unlink(path)
    with closing(disk.connect(segment.uri)) as connection:
        at = head(connection, segment.path).at
        with closing(rows_between(connection, BEGINNING, segment.last)) as rows:
            create(disk, target, segment.first, at, (_with_body(row, bodies) for row in rows))
    return target


def replaced(segment: Segment, size_bytes: int) -> Segment:
    return replace(segment, file_bytes=size_bytes, edition=segment.edition + 1)


def _with_body(row: Row, bodies: Mapping[Position, bytes]) -> Row:
    body = bodies.get(Position(row[0]))
    if body is None:
        return row
    return row_of(Position(row[0]), row[1], Kind(row[2]), body)


def _uri(path: Path, how: str) -> str:
    return f"file:{quote(str(path))}?{how}"
