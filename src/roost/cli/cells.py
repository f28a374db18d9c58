"""`roost cells`: status, stop, logs, attach, detach."""

from typing import Annotated

import typer

from roost.cli.connection import with_keeper
from roost.cli.console import out, print_json, print_table
from roost.cli.tenants import Json
from roost.http import messages as m

app = typer.Typer(no_args_is_help=True)


@app.command()
def status(json: Json = False) -> None:
    """Each tenant's Phoenix: asleep, waking, up, stopping, failed or attached."""
    rows = with_keeper(lambda keeper: keeper.ask("cells/list", list[m.CellRow]))
    if json:
        print_json(rows)
        return
    print_table(
        ["tenant", "kind", "state", "pid", "awake", "detail"],
        [
            (
                row.tenant,
                row.kind,
                row.state,
                row.pid,
                "" if row.awake_s is None else f"{row.awake_s:.0f} s",
                row.detail or row.url,
            )
            for row in rows
        ],
    )


@app.command()
def stop(tenant: str) -> None:
    """Stop a tenant's Phoenix; the next request wakes it."""
    with_keeper(lambda keeper: keeper.ask("cells/stop", m.Done, m.TenantName(tenant), 120))
    out.print(f"Stopped the cell of {tenant}.", markup=False)


@app.command()
def logs(tenant: str) -> None:
    """What a tenant's Phoenix printed, the last of it."""
    text = with_keeper(lambda keeper: keeper.ask("cells/logs", m.Text, m.TenantName(tenant)))
    out.print(text.text, markup=False, soft_wrap=True)


@app.command()
def attach(
    tenant: str,
    url: Annotated[str, typer.Option(help="Where that Phoenix is reached from here.")],
    json: Json = False,
) -> None:
    """Let a tenant live in a Phoenix that someone else runs; prints the environment it needs."""
    text = with_keeper(
        lambda keeper: keeper.ask("cells/attach", m.Text, m.Attach(tenant, url), 120)
    )
    print_json(text) if json else out.print(text.text, markup=False, soft_wrap=True)


@app.command()
def detach(tenant: str) -> None:
    """Forget the attached Phoenix of a tenant; it has a managed cell again."""
    with_keeper(lambda keeper: keeper.ask("cells/detach", m.Done, m.TenantName(tenant)))
    out.print(f"Detached {tenant}.", markup=False)
