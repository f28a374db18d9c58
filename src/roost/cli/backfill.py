"""`roost backfill`: what an existing Phoenix holds becomes a tenant's.

Rule: it only reads over there, and only appends over here; what it appends goes the way of
everything that a client sends.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar

from roost.cells.client import CellClient
from roost.cells.ledger_api import ApiIdentity
from roost.cells.ledger_file import is_known, reading
from roost.cells.ledger_identity import SqliteIdentity
from roost.cells.ledger_spans import SqliteSpans
from roost.cli.backfill_watch import View, shown
from roost.cli.cells import Tenant
from roost.cli.connection import with_keeper
from roost.cli.console import err, out, print_json
from roost.cli.tenants import Json
from roost.errors import BadRequest, NotFound, RoostError, Unavailable
from roost.http import messages as m
from roost.http.keeper_client import KeeperClient
from roost.ingest.backfill import Backfill, Source, Tally, Wish
from roost.ingest.backfill_calls import PhoenixCalls, address_of
from roost.ingest.backfill_file import FilePhoenix
from roost.ingest.backfill_rest import RestPhoenix
from roost.ingest.backfill_state import RejectsFile, alone, open_state, state_path
from roost.log.base import Kind
from roost.settings import load_settings
from roost.terms import ingest_terms

PATIENCE_S = 1_800.0
"""How long nothing may move before a run ends; the next one goes on."""
CALL_S = 120.0
BEAT_S = 10.0
_COUNT = """query RoostCount($id: ID!, $since: DateTime) {
  node(id: $id) { ... on Project { recordCount(timeRange: {start: $since}) } }
}"""

T = TypeVar("T")


class Done(msgspec.Struct, frozen=True):
    """What became of a project. `refused` is why nothing of it could be taken, else ""."""

    project: str
    into: str
    spans: int
    annotations: int
    rejected: int
    refused: str


class Summary(msgspec.Struct, frozen=True):
    """`version` is Phoenix's, "" of a file. `notes` say what could not be had."""

    tenant: str
    source: str
    version: str
    dry_run: bool
    spans: int
    annotations: int
    rejected: int
    rejects_file: str
    seconds: float
    projects: list[Done]
    notes: list[str]


def backfill(
    tenant: Tenant,
    from_: Annotated[str, typer.Option(..., "--from", help="The address of a Phoenix.")] = "",
    from_file: Annotated[
        Path | None, typer.Option(help="Its SQLite file instead; only read.")
    ] = None,
    key: Annotated[
        str,
        typer.Option(help="Its API key or admin secret: `env:NAME` or `file:PATH`."),
    ] = "",
    project: Annotated[
        list[str] | None, typer.Option(help="Only projects like that; `*` is any characters.")
    ] = None,
    since: Annotated[str, typer.Option(help="Only spans from that time on: `2026-01-01`.")] = "",
    into: Annotated[str, typer.Option(help="Put everything into this one project.")] = "",
    prefix: Annotated[str, typer.Option(help="Put this before the names of projects.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and judge; change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Copy traces and annotations of an existing Phoenix into a tenant.

    The same command goes on where the last one ended, and later fetches what is new.
    """
    if into and prefix:
        raise BadRequest("Use --into or --prefix, not both.")
    wish = Wish(tuple(project or ()), into, prefix, _time(since) if since else None)
    place = _Where(from_, from_file, _secret(key)).checked()
    summary = _run(_Run(tenant, place, wish, dry_run))
    print_json(summary) if json else _tell(summary)


@dataclass(frozen=True, slots=True)
class _Where:
    """One of a URL and a file."""

    url: str
    file: Path | None
    key: str

    def checked(self) -> "_Where":
        if bool(self.url) == (self.file is not None):
            raise BadRequest("Say where from: --from URL, or --from-file FILE.")
        if self.file is not None and self.key:
            raise BadRequest("A file needs no --key.")
        if self.file is not None and not self.file.is_file():
            raise NotFound(f"There is no file {self.file}.")
        return _Where(address_of(self.url) if self.url else "", self.file, self.key)

    @property
    def name(self) -> str:
        return self.url or str(self.file)


@dataclass(frozen=True, slots=True)
class _Opened:
    """`identity` is which Phoenix it is, wherever it is read from."""

    source: Source
    identity: str
    version: str
    notes: Callable[[], list[str]]


def _run(run: "_Run") -> Summary:
    try:
        return with_keeper(run.work)
    except KeyboardInterrupt:
        err.print("Stopped. The same command goes on from here.")
        raise typer.Exit(130) from None
    except RoostError:
        if run.has_begun:
            err.print("The same command goes on from where this one has ended.")
        raise


@dataclass(slots=True)
class _Run:
    slug: str
    where: _Where
    wish: Wish
    is_dry: bool
    has_begun: bool = False

    async def work(self, keeper: KeeperClient) -> Summary:
        settings, tenant_id = load_settings(), await _tenant_id(keeper, self.slug)
        async with AsyncExitStack() as stack:
            view = stack.enter_context(shown())
            await stack.enter_async_context(_kept_up(keeper))
            opened = await self._open(view, stack)
            path = state_path(settings.data_dir / "homes" / tenant_id, opened.identity)
            if not self.is_dry:
                stack.enter_context(alone(path))
            rejects = RejectsFile(None if self.is_dry else path.with_suffix(".rejects.jsonl"))
            stack.callback(rejects.close)
            sink = _NoSink() if self.is_dry else KeeperSink(keeper, tenant_id, view.waits)
            work = Backfill(
                opened.source,
                sink,
                open_state(path, opened.identity, dry=self.is_dry),
                self.wish,
                view,
                rejects.add,
                ingest_terms(settings).mask,
            )
            self.has_begun = not self.is_dry
            began = time.monotonic()
            tallies = await work.run()
            return self._summary(tallies, opened, rejects, time.monotonic() - began)

    async def _open(self, view: View, stack: AsyncExitStack) -> _Opened:
        if self.where.file is not None:
            return await _open_file(self.where.file.resolve(), self.wish)
        session = await stack.enter_async_context(
            ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=CALL_S))
        )
        return await _open_rest(session, self.where, self.wish, view)

    def _summary(
        self, tallies: Sequence[Tally], opened: _Opened, rejects: RejectsFile, seconds: float
    ) -> Summary:
        rejected = sum(one.rejected for one in tallies)
        return Summary(
            tenant=self.slug,
            source=self.where.name,
            version=opened.version,
            dry_run=self.is_dry,
            spans=sum(one.spans for one in tallies),
            annotations=sum(one.annotations for one in tallies),
            rejected=rejected,
            rejects_file=str(rejects.path) if rejects.path and rejects.path.exists() else "",
            seconds=round(seconds, 3),
            projects=[
                Done(t.project, t.into, t.spans, t.annotations, t.rejected, t.refused)
                for t in tallies
            ],
            notes=[*opened.notes(), *_bare(tallies)],
        )


async def _open_rest(session: ClientSession, where: _Where, wish: Wish, view: View) -> _Opened:
    calls = PhoenixCalls(session, where.url, where.key, view.waits)
    version = await calls.version()
    client = CellClient(session, where.url, "", "", "", admin_secret=where.key)
    source = RestPhoenix(calls, partial(_count, client, wish.since), wish.since)
    await calls.get("/v1/projects", [("limit", "1")])
    try:
        made = (await ApiIdentity(client).look()).first_project
    except Unavailable:
        made = ""
    identity = _identity(made) if made else where.url
    return _Opened(source, identity, version, lambda: _lacks(source))


async def _open_file(path: Path, wish: Wish) -> _Opened:
    """Unavailable where it is no Phoenix's database."""
    identity = await SqliteIdentity(path, "").look()
    notes = [] if is_known(path) else ["this file is of a Phoenix that Roost was not tried with"]
    source = FilePhoenix(partial(reading, path), SqliteSpans(path).spans, wish.since)
    return _Opened(source, _identity(identity.first_project), "", lambda: notes)


def _bare(tallies: Sequence[Tally]) -> list[str]:
    count = sum(one.bare for one in tallies)
    return [f"{count} annotations came without their metadata"] if count else []


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


async def _tenant_id(keeper: KeeperClient, slug: str) -> str:
    tenants = await keeper.ask("tenants/list", list[m.TenantRow])
    found = next((one.id for one in tenants if one.slug == slug), None)
    if found is None:
        raise NotFound(f"There is no tenant {slug!r}; see `roost tenants list`.")
    return found


@asynccontextmanager
async def _kept_up(keeper: KeeperClient) -> AsyncIterator[None]:
    """A keeper that was started for a command ends when nobody asks it anything."""

    async def beat() -> None:
        while True:
            with suppress(Unavailable):
                await keeper.ask("status", m.Status)
            await asyncio.sleep(BEAT_S)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class KeeperSink:
    """The tenant's log, by the keeper's socket. `waits` is told why something is tried again."""

    keeper: KeeperClient
    tenant_id: str
    waits: Callable[[str], None]
    patience_s: float = PATIENCE_S

    async def spans(self, payloads: Sequence[bytes]) -> None:
        await self._append(Kind.SPANS, list(payloads))

    async def annotations(self, body: bytes) -> None:
        await self._append(Kind.ANNOTATIONS, [body])

    async def settled(self, span_id: str) -> None:
        asked = m.Arrival(self.tenant_id, [span_id])
        await self._tried(lambda: self.keeper.ask("ingest/arrived", m.Done, asked))

    async def _append(self, kind: Kind, bodies: list[bytes]) -> None:
        await self._tried(lambda: self.keeper.append(m.Append(self.tenant_id, kind, bodies)))

    async def _tried(self, call: Callable[[], Awaitable[T]]) -> T:
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                return await call()
            except Unavailable as error:
                if time.monotonic() > deadline:
                    raise
                self.waits(f"{error.message} {error.reason}".strip())
                await asyncio.sleep(error.retry_after_s or 1)


@dataclass(frozen=True, slots=True)
class _NoSink:
    """For a dry run."""

    async def spans(self, payloads: Sequence[bytes]) -> None: ...

    async def annotations(self, body: bytes) -> None: ...

    async def settled(self, span_id: str) -> None: ...


def _secret(reference: str) -> str:
    """What it names; a key on the command line would be everybody's on this machine."""
    kind, _, where = reference.partition(":")
    if not reference:
        return ""
    if kind == "env" and os.environ.get(where):
        return os.environ[where]
    if kind == "file":
        try:
            return Path(where).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadRequest(f"--key: cannot read {where}: {error.strerror}.") from None
    if kind == "env":
        raise BadRequest(f"--key: the environment variable {where} is not set.")
    raise BadRequest("--key: name the key with env:NAME or file:PATH, do not write it here.")


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"--since: {text!r} is no time; write it like 2026-01-01.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _tell(summary: Summary) -> None:
    verb = "would be taken" if summary.dry_run else "taken"
    projects = sum(not one.refused for one in summary.projects)
    out.print(
        f"{summary.spans} spans and {summary.annotations} annotations of {projects} projects"
        f" {verb}, {summary.rejected} rejected.",
        markup=False,
    )
    for note in summary.notes:
        out.print(f"Note: {note}.", markup=False)
    if summary.rejects_file:
        out.print(f"What was rejected, and why: {summary.rejects_file}", markup=False)
    if summary.spans and not summary.dry_run:
        out.print("`roost ingest status` tells how much of it is in Phoenix.", markup=False)
