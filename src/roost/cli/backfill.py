"""`roost backfill`: what an existing Phoenix holds becomes a tenant's.

Rule: it only reads over there, and only appends over here; what it appends goes the way of
everything that a client sends.
"""

import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from roost.cli.backfill_sink import KeeperSink, NoSink, kept_up
from roost.cli.backfill_source import Opened, Where, open_source
from roost.cli.backfill_watch import shown
from roost.cli.cells import Tenant
from roost.cli.connection import with_keeper
from roost.cli.console import err, out, print_json
from roost.cli.tenants import Json
from roost.errors import BadRequest, NotFound, RoostError
from roost.http import messages as m
from roost.http.keeper_client import KeeperClient
from roost.ingest.backfill import Backfill, Tally, Wish
from roost.ingest.backfill_state import RejectsFile, alone, open_state, state_path
from roost.settings import load_settings
from roost.terms import ingest_terms


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
    place = Where(from_, from_file, _secret(key)).checked()
    summary = _run(_Run(tenant, place, wish, dry_run))
    print_json(summary) if json else _tell(summary)


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
    where: Where
    wish: Wish
    is_dry: bool
    has_begun: bool = False

    async def work(self, keeper: KeeperClient) -> Summary:
        settings, tenant_id = load_settings(), await _tenant_id(keeper, self.slug)
        async with AsyncExitStack() as stack:
            view = stack.enter_context(shown())
            await stack.enter_async_context(kept_up(keeper))
            opened = await open_source(self.where, self.wish, view.waits, stack)
            path = state_path(settings.data_dir / "homes" / tenant_id, opened.identity)
            if not self.is_dry:
                stack.enter_context(alone(path))
            rejects = RejectsFile(None if self.is_dry else path.with_suffix(".rejects.jsonl"))
            stack.callback(rejects.close)
            sink = NoSink() if self.is_dry else KeeperSink(keeper, tenant_id, view.waits)
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

    def _summary(
        self, tallies: Sequence[Tally], opened: Opened, rejects: RejectsFile, seconds: float
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
            notes=opened.notes(),
        )


async def _tenant_id(keeper: KeeperClient, slug: str) -> str:
    tenants = await keeper.ask("tenants/list", list[m.TenantRow])
    found = next((one.id for one in tenants if one.slug == slug), None)
    if found is None:
        raise NotFound(f"There is no tenant {slug!r}; see `roost tenants list`.")
    return found


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
