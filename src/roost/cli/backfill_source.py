"""Where a backfill reads: a Phoenix by its address, or its file."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar

from roost.cells.client import CellClient
from roost.cells.ledger_api import ApiIdentity
from roost.cells.ledger_file import is_known, reading
from roost.cells.ledger_identity import SqliteIdentity
from roost.cells.ledger_spans import SqliteSpans
from roost.errors import BadRequest, NotFound, Unavailable
from roost.ingest.backfill import Source, Wish
from roost.ingest.backfill_calls import PhoenixCalls, address_of
from roost.ingest.backfill_file import FilePhoenix
from roost.ingest.backfill_rest import RestPhoenix

CALL_S = 120.0
_COUNT = """query RoostCount($id: ID!, $since: DateTime) {
  node(id: $id) { ... on Project { recordCount(timeRange: {start: $since}) } }
}"""


@dataclass(frozen=True, slots=True)
class Where:
    """One of a URL and a file."""

    url: str
    file: Path | None
    key: str

    def checked(self) -> "Where":
        if bool(self.url) == (self.file is not None):
            raise BadRequest("Say where from: --from URL, or --from-file FILE.")
        if self.file is not None and self.key:
            raise BadRequest("A file needs no --key.")
        if self.file is not None and not self.file.is_file():
            raise NotFound(f"There is no file {self.file}.")
        return Where(address_of(self.url) if self.url else "", self.file, self.key)

    @property
    def name(self) -> str:
        return self.url or str(self.file)


@dataclass(frozen=True, slots=True)
class Opened:
    """`identity` is which Phoenix it is, wherever it is read from."""

    source: Source
    identity: str
    version: str
    notes: Callable[[], list[str]]


async def open_source(
    where: Where, wish: Wish, waits: Callable[[str], None], stack: AsyncExitStack
) -> Opened:
    """`waits` is told why a call is tried again; `stack` closes what is opened."""
    if where.file is not None:
        return await _open_file(where.file.resolve(), wish)
    session = await stack.enter_async_context(
        ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=CALL_S))
    )
    return await _open_rest(PhoenixCalls(session, where.url, where.key, waits), wish)


async def _open_rest(calls: PhoenixCalls, wish: Wish) -> Opened:
    version = await calls.version()
    client = CellClient(calls.session, calls.address, "", "", "", admin_secret=calls.key)
    source = RestPhoenix(calls, partial(_count, client, wish.since), wish.since)
    await calls.get("/v1/projects", [("limit", "1")])
    try:
        made = (await ApiIdentity(client).look()).first_project
    except Unavailable:
        made = ""
    identity = _identity(made) if made else calls.address
    return Opened(source, identity, version, lambda: _lacks(source))


async def _open_file(path: Path, wish: Wish) -> Opened:
    """Unavailable where it is no Phoenix's database."""
    identity = await SqliteIdentity(path, "").look()
    notes = [] if is_known(path) else ["this file is of a Phoenix that Roost was not tried with"]
    source = FilePhoenix(partial(reading, path), SqliteSpans(path).spans, wish.since)
    return Opened(source, _identity(identity.first_project), "", lambda: notes)


def _lacks(source: RestPhoenix) -> list[str]:
    return [f"this Phoenix cannot list annotations of a {one}" for one in sorted(source.lacks)]


class _Counted(msgspec.Struct):
    recordCount: int  # noqa: N815 - as GraphQL spells it


class _Node(msgspec.Struct):
    node: _Counted


async def _count(client: CellClient, since: datetime | None, project: str) -> int | None:
    """Only for the progress: None where Phoenix does not say."""
    variables: dict[str, object] = {"id": project, "since": since and since.isoformat()}
    try:
        return (await client.ask(_COUNT, variables, _Node)).node.recordCount
    except Unavailable:
        return None


def _identity(first_project: str) -> str:
    """When Phoenix's first project was made: the same by REST and in the file.

    >>> _identity("2026-11-26 10:00:00") == _identity("2026-11-26T11:00:00+01:00")
    True
    """
    made = datetime.fromisoformat(first_project)
    made = made if made.tzinfo else made.replace(tzinfo=UTC)
    return f"phoenix of {made.astimezone(UTC).isoformat()}"
