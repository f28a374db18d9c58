"""`roost ingest`: what was received and is not in Phoenix yet, what is parked, and trying again."""

import time
from typing import Annotated

import typer

from roost.cli.cells import Tenant
from roost.cli.connection import with_keeper
from roost.cli.console import ago, out, print_json, print_table
from roost.cli.tenants import Json
from roost.http import messages as m

app = typer.Typer(no_args_is_help=True)
PAGE = 1_000
LOOK_S = 1.0


@app.command()
def status(json: Json = False) -> None:
    """How far each tenant's spans are: received, indexed, in Phoenix."""
    rows = with_keeper(lambda keeper: keeper.ask("ingest/status", list[m.IngestRow]))
    if json:
        print_json(rows)
        return
    print_table(
        ["tenant", "in Phoenix", "waiting", "oldest", "skipped", "deleted", "parked", "log", "why"],
        [
            (
                row.tenant,
                row.confirmed,
                f"{row.received - row.settled} records",
                f"{row.oldest_pending_s:.0f} s" if row.received > row.settled else "",
                row.skipped,
                row.deleted,
                row.parked,
                f"{row.stored_bytes / 2**20:.1f} MB",
                row.fault,
            )
            for row in rows
        ],
    )


@app.command()
def parked(tenant: Tenant, json: Json = False) -> None:
    """Spans that Phoenix does not take, each with the reason. They stay in log and index."""
    query = m.ParkedQuery(tenant, limit=PAGE)
    rows = with_keeper(lambda keeper: keeper.ask("ingest/parked", list[m.ParkedRow], query))
    if json:
        print_json(rows)
        return
    now = time.time()
    print_table(
        ["id", "project", "trace", "span", "parked", "reason"],
        [
            (row.id, row.project, row.trace_id, row.span_id, ago(row.parked_at, now), row.reason)
            for row in rows
        ],
    )


@app.command()
def retry(
    tenant: Tenant,
    ids: Annotated[list[int] | None, typer.Argument(help="Which, by id; all without.")] = None,
) -> None:
    """Send parked spans to Phoenix once more."""
    question = m.Retry(tenant, ids or [])
    said = with_keeper(lambda keeper: keeper.ask("ingest/retry", m.Retried, question, 120))
    out.print(f"{said.count} spans are sent again.", markup=False)


@app.command()
def rebuild(tenant: Tenant) -> None:
    """Build a tenant's index anew, from its log and Phoenix. The old one answers meanwhile."""
    state = _ask_rebuild(tenant, start=True)
    told = ""
    while not state.over:
        line = f"{state.phase}: {state.done} of {state.total} records"
        if line != told:
            out.print(line, markup=False)
        told = line
        time.sleep(LOOK_S)
        state = _ask_rebuild(tenant)
    if state.fault:
        out.print(f"The old index stays: {state.fault}", markup=False)
        raise typer.Exit(1)
    out.print(f"Done. {state.note}".strip(), markup=False)


def _ask_rebuild(tenant: str, *, start: bool = False) -> m.Rebuilding:
    question = m.Rebuild(tenant, start)
    return with_keeper(lambda keeper: keeper.ask("ingest/rebuild", m.Rebuilding, question, 120))
