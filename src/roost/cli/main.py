"""All commands in one place."""

import sys

import typer

from roost.cli import (
    backfill,
    cells,
    doctor,
    events,
    explain,
    gateway,
    ingest,
    keeper,
    keys,
    link,
    switch,
    tenants,
    up,
)
from roost.cli.console import fail
from roost.errors import RoostError

app = typer.Typer(
    name="roost",
    help="Phoenix inside your app: your sign-in, your tenants, your look.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(up.up)
app.command()(gateway.gateway)
app.command()(keeper.keeper)
app.command()(link.link)
app.command("on")(switch.on)
app.command("off")(switch.off)
app.command()(doctor.doctor)
app.command()(explain.explain)
app.command()(backfill.backfill)
app.add_typer(tenants.app, name="tenants", help="Who owns data.")
app.add_typer(keys.app, name="keys", help="Keys for SDKs and scripts.")
app.add_typer(cells.app, name="cells", help="The Phoenix of each tenant.")
app.add_typer(events.app, name="events", help="What the host tracks.")
app.add_typer(ingest.app, name="ingest", help="Spans on their way into Phoenix.")


def main() -> None:
    try:
        app()
    except RoostError as error:
        fail(error)
        sys.exit(1)
